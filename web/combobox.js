/**
 * The search box at work, by the ARIA combobox pattern: which keys do what, and when results may change under a
 * person's eyes. `search-box.js` is the element round it, `results.js` the rows.
 * @module
 */

import { Composition } from "./composition.js";
import { make, name } from "./markup.js";
import { asOption, ResultList } from "./results.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./client.js").TypeaheadClient} Client */

/** A sign of waiting before this would only flicker. */
const WAITING_AFTER_MS = 250;
/** A screen reader speaks when the typing pauses, not at every key. */
const ANNOUNCE_AFTER_MS = 700;
const TROUBLE = ["http", "waiting", "offline", "refused"];

/**
 * What the combobox asks of the element.
 * @typedef {object} Host
 * @property {(name: string, detail: unknown) => boolean} emit dispatches an event; false where the page prevented it
 * @property {(value: string) => void} changed the field has this value now
 * @property {() => boolean} enter does what Enter does in the page's form; false where there is none
 * @property {() => HTMLTemplateElement | null} template
 * @property {boolean} figures whether counts and times are shown
 * @property {import("./recent.js").RecentSearches} recent
 * @property {import("./markup.js").Messages} messages
 */

export class Combobox {
  #parts;
  #host;
  #options;
  #answers;
  #composition = new Composition();
  /** @type {Client | null} */
  #client = null;
  /** The value that was dealt with last; null: the next one is dealt with in any case. @type {string | null} */
  #value = "";
  /** When the key was pressed that is about to change the field. @type {number | null} */
  #pressedAt = null;

  /** The newest answer in the page. @type {Answer | null} */
  #shown = null;
  /** A newer answer that waits while somebody points at the rows. @type {Answer | null} */
  #held = null;
  /** Only typing, or a key that asks for it, lets answers open the panel. */
  #mayOpen = false;
  #active = -1;
  #pointing = false;
  /** The submitted text whose answer stands in the page; null: none does. @type {string | null} */
  #settled = null;
  /** Recent searches that stand in the panel instead of results. @type {HTMLElement[]} */
  #offered = [];
  #submits = 0;
  #readySubmits = 0;
  /** @type {any} */
  #waitingTimer = 0;
  /** @type {any} */
  #announceTimer = 0;
  /** How many documents the server searches; null: it has none, undefined: it has not said. @type {number | null | undefined} */
  #documents;

  /**
   * @param {ReturnType<typeof import("./markup.js").build>} parts
   * @param {Host} host
   */
  constructor(parts, host) {
    this.#parts = parts;
    this.#host = host;
    this.#options = new ResultList(parts.options, { template: host.template, options: true });
    this.#answers = new ResultList(parts.answers, { template: host.template });
    this.#listen();
  }

  /** Take searches to this client from now on. @param {Client} client */
  serve(client) {
    this.#client = client;
    /** @param {string} name @param {(detail: any) => void} handle */
    const on = (name, handle) => client.addEventListener(name, (event) => {
      if (client === this.#client) handle(/** @type {CustomEvent} */ (event).detail);
    });
    on("hits", (answer) => this.#answered(answer));
    on("statechange", (state) => {
      this.refresh();
      this.#host.emit("statechange", state);
    });
    on("welcome", (welcome) => {
      this.#documents = welcome.documents === null || typeof welcome.documents === "number" ? welcome.documents : undefined;
      this.refresh();
      this.#host.emit("welcome", welcome);
    });
    on("problem", (problem) => this.#problem(problem));
    client.update(this.#parts.input.value);
    this.refresh();
  }

  /** The newest results. */
  get hits() {
    return this.#shown?.hits ?? [];
  }

  get isOpen() {
    return !this.#parts.panel.hidden;
  }

  /** Put a text into the field as if it had been typed. @param {string} text */
  type(text) {
    this.#parts.input.value = text;
    this.#parts.input.focus();
    this.#value = null;
    this.#typed(performance.now());
  }

  /** Put a text into the field as a program does: its results open nothing. @param {string} text */
  fill(text) {
    this.#parts.input.value = text;
    this.#value = null;
    this.#typed(performance.now());
    this.#mayOpen = false;
    this.#close();
  }

  /** What went wrong is being mended. */
  calm() {
    const { figures } = this.#parts;
    if (figures.classList.contains("trouble")) figures.textContent = "";
    figures.classList.remove("trouble");
  }

  /** Write the words again: the language, the settings or the state have changed. */
  refresh() {
    const { box, connection, figures, status } = this.#parts;
    const { messages } = this.#host;
    name(this.#parts, messages);
    const state = this.#client?.state ?? "closed";
    const scope = state === "open" && this.#documents ? ` · ${messages.documents(this.#documents)}` : "";
    connection.textContent = messages[state] + scope;
    box.dataset.state = state;
    status.hidden = !this.#host.figures && !TROUBLE.includes(state) && !figures.classList.contains("trouble");
    this.#sayAway();
  }

  #listen() {
    const { answers, box, clear, field, forget, input, options, panel, settled } = this.#parts;
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("keyup", () => { this.#pressedAt = null; });
    input.addEventListener("compositionupdate", (event) => this.#composition.update(event.data));
    input.addEventListener("compositionend", (event) => {
      this.#composition.end(event.data);
      this.#typed(event.timeStamp);
    });
    input.addEventListener("input", (event) => this.#typed(this.#pressedAt ?? event.timeStamp));
    // What fills fields in for people may tell of nothing else.
    input.addEventListener("change", (event) => this.#typed(event.timeStamp));
    input.addEventListener("click", () => this.#offer());
    field.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(event.timeStamp);
    });
    clear.addEventListener("click", () => this.type(""));
    forget.addEventListener("click", () => {
      this.#host.recent.forget();
      this.#close();
      input.focus();
    });
    box.addEventListener("focusin", () => { if (this.#client?.state === "asleep") this.#client.connect(); });
    box.addEventListener("focusout", (event) => this.#focusLeft(event));
    for (const list of [panel, settled]) {
      for (const move of ["pointermove", "pointerdown"]) list.addEventListener(move, () => { this.#pointing = true; });
      list.addEventListener("pointerleave", () => this.#released());
    }
    // A press in the panel must not take the focus from the field: that would close the panel before the click.
    panel.addEventListener("mousedown", (event) => event.preventDefault());
    options.addEventListener("click", (event) => this.#picked(event, this.#options));
    answers.addEventListener("click", (event) => this.#picked(event, this.#answers));
  }

  /** @param {number} keyAt */
  #typed(keyAt) {
    const { clear, input } = this.#parts;
    const text = input.value;
    this.#host.changed(text);
    clear.hidden = text === "";
    if (text === this.#value || !this.#composition.searchable) return;
    this.#value = text;
    this.calm();
    if (this.#offered.length > 0) this.#close();
    this.#activate(-1);
    this.#released();
    this.#mayOpen = true;
    this.#settled = null;
    this.#client?.update(text, keyAt);
    this.refresh();
    if (isBlank(text)) this.#reset();
    else if (this.#client?.busy) this.#waitForAnswer();
    else if (this.#shown !== null && this.#shown.text === this.#client?.text) this.#present(this.#shown);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    this.#pressedAt = event.timeStamp;
    // While an input method composes, all keys are its own: Enter takes a candidate. WebKit says so by the code 229
    // alone, on the Enter that comes after the end of the composition.
    if (event.isComposing || event.keyCode === 229) return;
    const { key } = event;
    if ((key === "ArrowDown" || key === "ArrowUp") && !event.shiftKey) {
      event.preventDefault();
      if (!event.altKey) this.#move(key === "ArrowDown" ? 1 : -1);
      else if (key === "ArrowUp") this.#close();
      else this.#reopen();
    } else if (key === "Enter") {
      event.preventDefault();
      if (event.repeat) return;
      const target = this.isOpen ? this.#targets[this.#active] : undefined;
      if (target === undefined) this.#submit(event.timeStamp);
      // A real click, so that it goes the way of all clicks; with Ctrl the browser opens a tab in the background.
      else if (event.ctrlKey || event.metaKey) this.#openTab(target);
      else target.click();
    } else if (key === "Escape" && (this.isOpen || this.#parts.input.value !== "")) {
      event.preventDefault();
      if (this.isOpen) this.#close();
      else this.type("");
    }
  }

  get #targets() {
    return this.#offered.length > 0 ? this.#offered : this.#options.targets;
  }

  #reopen() {
    if (this.isOpen) return;
    this.#mayOpen = true;
    if (isBlank(this.#parts.input.value)) this.#offer();
    else if (this.#shown !== null) this.#present(this.#shown);
    else this.#sayAway();
  }

  /** @param {1 | -1} step */
  #move(step) {
    this.#reopen();
    const places = this.#targets.length + 1;
    if (this.isOpen && places > 1) this.#activate(((this.#active + 1 + step + places) % places) - 1);
    if (this.#active < 0) this.#released();
  }

  /** @param {number} index of the active option; -1: none, the field itself */
  #activate(index) {
    const { input } = this.#parts;
    const targets = this.#targets;
    targets[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = index;
    const target = targets[index];
    if (target === undefined) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    target.setAttribute("aria-selected", "true");
    target.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", target.id);
  }

  /** @param {Answer} answer */
  #answered(answer) {
    if (!this.#client?.busy) this.#stopWaiting();
    if (isBlank(this.#parts.input.value) || isBlank(answer.text)) return;
    if (answer.submit) this.#countSubmit(answer);
    if (this.#pointing || this.#active >= 0) this.#held = answer;
    else this.#accept(answer);
  }

  /** @param {Answer} answer */
  #accept(answer) {
    this.#held = null;
    this.#present(answer);
    this.#host.emit("hits", answer);
  }

  /** @param {Answer} answer */
  #present(answer) {
    this.#shown = answer;
    if (this.#settled === answer.text) this.#showSettled(answer);
    else if (this.#mayOpen) this.#open(answer);
    else return;
    if (answer.submit || answer.keyAt === null) return;
    this.#setFigures(answer, this.#host.messages.key(since(answer.keyAt)));
    this.#announce(this.#host.messages.count(answer.hits.length));
  }

  /** The rows are free to change again. */
  #released() {
    this.#pointing = false;
    if (this.#held !== null && this.#active < 0) this.#accept(this.#held);
  }

  /** @param {Answer} answer */
  #open(answer) {
    const { empty, input, options, panel, settled } = this.#parts;
    const found = answer.hits.length > 0;
    this.#withdraw();
    this.#options.show(answer.hits);
    settled.hidden = true;
    empty.hidden = true;
    options.hidden = !found;
    this.#say("none", found ? "" : this.#nothing(answer.text), panel);
    panel.hidden = false;
    input.setAttribute("aria-expanded", String(found));
  }

  /** @param {string} text */
  #nothing(text) {
    const { messages } = this.#host;
    return this.#documents === null ? messages.noDocuments : messages.none(oneLine(text, 60));
  }

  /**
   * @param {"none" | "away"} kind
   * @param {string} words none: says nothing
   * @param {HTMLElement} place
   */
  #say(kind, words, place) {
    const { message } = this.#parts;
    message.hidden = words === "";
    message.dataset.kind = kind;
    message.textContent = words;
    place.append(message);
  }

  /** Where nothing can be found as the server is away, and no older results stand there either, say so. */
  #sayAway() {
    const { empty, input, message, options, panel } = this.#parts;
    const { messages } = this.#host;
    const state = this.#client?.state;
    const words = state === "waiting" ? messages.away : state === "offline" ? messages.noNetwork : "";
    if (words === "" ? message.dataset.kind !== "away" : this.#shown !== null || !this.#mayOpen || isBlank(input.value)) return;
    this.#say("away", words, panel);
    options.hidden = true;
    empty.hidden ||= words !== "";
    panel.hidden = words === "" && this.#shown === null;
  }

  /** The recent searches, in an empty field whose page asked for them. */
  #offer() {
    const { heading, input, options, panel, recent } = this.#parts;
    const texts = isBlank(input.value) && !this.isOpen ? this.#host.recent.texts : [];
    if (texts.length === 0) return;
    this.#options.show([]);
    this.#offered = texts.map((text, row) => {
      const option = make("div", { part: "row" }, oneLine(text, 120));
      const item = make("li", {}, option);
      asOption(item, option, `recent-${row}`);
      option.dir = "auto";
      option.addEventListener("click", () => this.type(text));
      options.append(item);
      return option;
    });
    options.setAttribute("aria-label", heading.textContent ?? "");
    for (const part of [options, panel, recent]) part.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  #withdraw() {
    if (this.#offered.length === 0) return;
    this.#offered = [];
    this.#parts.options.replaceChildren();
    this.#parts.options.setAttribute("aria-label", this.#host.messages.results);
    this.#parts.recent.hidden = true;
  }

  /** Until somebody types again, no answer opens the panel. */
  #close() {
    this.#mayOpen = false;
    this.#activate(-1);
    this.#withdraw();
    this.#parts.panel.hidden = true;
    this.#parts.input.setAttribute("aria-expanded", "false");
    this.#released();
  }

  /** @param {FocusEvent} event */
  #focusLeft(event) {
    const { field, input, panel } = this.#parts;
    const to = event.relatedTarget;
    // Another window took the focus, not another part of the page: the field still has it when one comes back.
    if (/** @type {ShadowRoot} */ (input.getRootNode()).activeElement === input) return;
    if (to instanceof Node && (field.contains(to) || panel.contains(to))) return;
    const wasOpen = this.isOpen;
    this.#close();
    // On a phone the field loses the focus when its keyboard is put away, most often to see the results.
    if (wasOpen && to === null && this.#shown !== null && matchMedia("(pointer: coarse)").matches) this.#settle();
  }

  /** @param {number} keyAt */
  #submit(keyAt) {
    const client = this.#client;
    if (client === null || isBlank(this.#parts.input.value)) return;
    const { text } = client;
    const ready = this.#shown?.text === text && !client.busy;
    this.#host.recent.add(text);
    this.#close();
    client.submit(keyAt);
    if (!this.#host.emit("submit", { text, hits: this.hits, ready }) || this.#host.enter()) return;
    this.#settle();
    this.#waitForAnswer();
  }

  /** The results leave the panel and become part of the page, as links that the Tab key reaches. */
  #settle() {
    this.#settled = this.#client?.text ?? null;
    if (this.#shown !== null) this.#showSettled(this.#shown);
  }

  /** @param {Answer} answer */
  #showSettled(answer) {
    const { answers, empty, panel, settled } = this.#parts;
    this.#answers.show(answer.hits);
    answers.hidden = answer.hits.length === 0;
    this.#say("none", answers.hidden ? this.#nothing(answer.text) : "", settled);
    settled.hidden = false;
    panel.hidden = true;
    empty.hidden = true;
  }

  /**
   * @param {MouseEvent} event
   * @param {ResultList} list
   */
  #picked(event, list) {
    const { target } = event;
    const hit = list.hitOf(target);
    if (hit === undefined) return;
    const row = list.targets.find((row) => row.contains(/** @type {Node} */ (target)));
    const newTab = event.ctrlKey || event.metaKey;
    if (!this.#select(hit, list, row, newTab)) event.preventDefault();
    // A row that leads nowhere searches, as Enter does.
    else if (list === this.#options && !(row instanceof HTMLAnchorElement)) this.#submit(event.timeStamp);
    if (!newTab) this.#close();
  }

  /** @param {HTMLElement} row */
  #openTab(row) {
    const hit = this.#options.hitOf(row);
    if (hit === undefined) row.click();
    else if (this.#select(hit, this.#options, row, true) && row instanceof HTMLAnchorElement) {
      window.open(row.href, "_blank", "noopener,noreferrer");
    }
  }

  /**
   * @param {import("./types.js").Hit} hit
   * @param {ResultList} list
   * @param {HTMLElement | undefined} row
   * @param {boolean} newTab
   */
  #select(hit, list, row, newTab) {
    this.#host.recent.add(this.#shown?.text ?? "");
    return this.#host.emit("select", { hit, index: list.targets.findIndex((other) => other === row), newTab });
  }

  /** @param {Answer} answer */
  #countSubmit(answer) {
    const { messages } = this.#host;
    this.#submits += 1;
    if (answer.ready) this.#readySubmits += 1;
    const share = this.#submits > 1 ? ` (${messages.share(this.#readySubmits, this.#submits)})` : "";
    this.#setFigures(answer, (answer.ready ? messages.ready : messages.enter(since(answer.keyAt))) + share);
    this.#parts.figures.classList.toggle("ready", answer.ready);
    this.#announce(messages.count(answer.hits.length));
  }

  /**
   * @param {Answer} answer
   * @param {string} figure
   */
  #setFigures(answer, figure) {
    const { figures } = this.#parts;
    figures.textContent = this.#host.figures ? `${this.#host.messages.count(answer.hits.length)} · ${figure}` : "";
    figures.classList.remove("ready", "trouble");
  }

  /** Nothing is typed: back to the first look. */
  #reset() {
    this.#close();
    this.#shown = null;
    this.#held = null;
    this.#settled = null;
    this.#options.show([]);
    this.#answers.show([]);
    this.#stopWaiting();
    clearTimeout(this.#announceTimer);
    const { announcer, empty, figures, message, settled } = this.#parts;
    settled.hidden = true;
    message.hidden = true;
    empty.hidden = false;
    figures.textContent = "";
    figures.classList.remove("ready");
    announcer.textContent = "";
  }

  /** @param {import("./types.js").Problem} problem */
  #problem(problem) {
    this.#stopWaiting();
    const { figures } = this.#parts;
    figures.textContent = oneLine(problem.message || problem.code, 160);
    figures.classList.remove("ready");
    figures.classList.add("trouble");
    this.refresh();
    this.#announce(figures.textContent);
    this.#host.emit("problem", problem);
  }

  #waitForAnswer() {
    clearTimeout(this.#waitingTimer);
    this.#waitingTimer = setTimeout(() => {
      this.#parts.box.toggleAttribute("data-waiting", this.#client?.busy === true);
    }, WAITING_AFTER_MS);
  }

  #stopWaiting() {
    clearTimeout(this.#waitingTimer);
    this.#parts.box.removeAttribute("data-waiting");
  }

  /** @param {string} message */
  #announce(message) {
    clearTimeout(this.#announceTimer);
    this.#announceTimer = setTimeout(() => { this.#parts.announcer.textContent = message; }, ANNOUNCE_AFTER_MS);
  }
}

/** @param {string} text */
function isBlank(text) {
  return text.trim() === "";
}

/**
 * The time from a moment of the page's clock until now.
 * @param {number | null} moment
 */
function since(moment) {
  const ms = performance.now() - (moment ?? performance.now());
  if (ms >= 995) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
