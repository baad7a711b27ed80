/**
 * `<typeahead-search src="./v1/type">`: the search box as people meet it, an ARIA combobox over `client.js`. The
 * element brings the markup inside it to life; each part is found by its `data-part`. What a row looks like is
 * `results.js`'s affair.
 * @module
 */

import { TypeaheadClient } from "./client.js";
import { ResultList } from "./results.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./client.js").Answer} Answer */

/** A sign of waiting before this would only flicker. */
const WAITING_AFTER_MS = 250;
/** A screen reader speaks when the typing pauses, not at every key. */
const ANNOUNCE_AFTER_MS = 700;

/** @type {Record<import("./client.js").State, string>} */
const STATES = {
  closed: "Not connected",
  connecting: "Connecting…",
  open: "Connected",
  asleep: "Asleep – wakes when you type",
  waiting: "Connection lost – reconnecting…",
  offline: "Offline – waiting for the network",
  refused: "The server refused the connection",
};

class SearchBox {
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
  #submits = 0;
  #readySubmits = 0;
  #waitingTimer = 0;
  #announceTimer = 0;
  /** How many documents the server searches; null: it has none, undefined: it has not said. @type {number | null | undefined} */
  #documents;

  /** @param {HTMLElement} element whose descendants are the parts */
  constructor(element) {
    this.element = element;
    this.parts = Object.fromEntries(
      ["form", "clear", "connection", "figures", "panel", "options", "none", "settled", "answers", "hints", "announcer"].map(
        (name) => [name, part(element, name)],
      ),
    );
    this.input = /** @type {HTMLInputElement} */ (part(element, "input"));
    this.options = new ResultList(this.parts.options, { prefix: "option", options: true });
    this.answers = new ResultList(this.parts.answers, { prefix: "answer" });
    const address = new URL(element.getAttribute("src") ?? "./v1/type", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    this.client = new TypeaheadClient(address, { hello: { k: Number(element.getAttribute("results")) || 8 } });
    this.#listen();
    // What was typed before this script ran, or kept by the browser over a reload.
    if (this.input.value !== "") this.#typed(performance.now());
  }

  /** @param {string} text */
  type(text) {
    this.input.value = text;
    this.input.focus();
    this.#typed(performance.now());
  }

  /** @param {string | null} token */
  authorize(token) {
    const { figures } = this.parts;
    if (figures.classList.contains("trouble")) figures.textContent = "";
    figures.classList.remove("trouble");
    this.client.token = token;
  }

  #listen() {
    const { clear, form, panel, settled } = this.parts;
    this.client.addEventListener("hits", (event) => {
      const { detail } = /** @type {CustomEvent<Answer>} */ (event);
      this.#answered(detail);
      this.element.dispatchEvent(new CustomEvent("hits", { detail }));
    });
    this.client.addEventListener("statechange", () => this.#stateChanged());
    this.client.addEventListener("welcome", (event) => this.#welcomed(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener("problem", (event) => this.#problem(/** @type {CustomEvent} */ (event).detail));
    this.input.addEventListener("input", (event) => this.#typed(event.timeStamp));
    this.input.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit(event.timeStamp);
    });
    clear.addEventListener("click", () => this.type(""));
    this.element.addEventListener("focusin", () => { if (this.client.state === "asleep") this.client.connect(); });
    this.element.addEventListener("focusout", (event) => this.#focusLeft(event));
    for (const list of [panel, settled]) {
      for (const name of ["pointermove", "pointerdown"]) {
        list.addEventListener(name, () => { this.#pointing = true; });
      }
      list.addEventListener("pointerleave", () => this.#released());
    }
    // A press in the panel must not take the focus from the field: that would close the panel before the click.
    panel.addEventListener("mousedown", (event) => event.preventDefault());
    // A page with an open socket is not kept for the Back button.
    addEventListener("pagehide", () => this.client.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.client.connect(); });
  }

  /** @param {number} keyAt */
  #typed(keyAt) {
    const text = this.input.value;
    this.parts.clear.hidden = text === "";
    this.parts.figures.classList.remove("trouble");
    this.#activate(-1);
    this.#released();
    this.#mayOpen = true;
    this.#settled = null;
    this.client.update(text, keyAt);
    if (isBlank(text)) this.#reset();
    else if (this.client.busy) this.#waitForAnswer();
    else if (this.#shown?.text === this.client.text) this.#present(this.#shown);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, all keys are its own: Enter takes a candidate. WebKit says so by the code 229
    // alone, on the Enter that comes after the end of the composition.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (event.repeat) return;
      const target = this.#isOpen ? this.options.targets[this.#active] : undefined;
      if (!(target instanceof HTMLAnchorElement)) this.#submit(event.timeStamp);
      else if (event.ctrlKey || event.metaKey) window.open(target.href, "_blank", "noopener,noreferrer");
      else target.click();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (this.#isOpen) this.#close();
      else this.type("");
    }
  }

  get #isOpen() {
    return !this.parts.panel.hidden;
  }

  /** @param {1 | -1} step */
  #move(step) {
    if (!this.#isOpen) {
      this.#mayOpen = true;
      if (this.#shown !== null) this.#present(this.#shown);
    }
    const places = this.options.targets.length + 1;
    if (this.#isOpen && places > 1) this.#activate(((this.#active + 1 + step + places) % places) - 1);
    if (this.#active < 0) this.#released();
  }

  /** @param {number} index of the active option; -1: none, the field itself */
  #activate(index) {
    const targets = this.options.targets;
    targets[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = index;
    const target = targets[index];
    if (target === undefined) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    target.setAttribute("aria-selected", "true");
    target.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", target.id);
  }

  /** @param {Answer} answer */
  #answered(answer) {
    if (isBlank(this.input.value)) return;
    if (!this.client.busy) this.#stopWaiting();
    if (answer.submit) this.#countSubmit(answer);
    if (this.#pointing || this.#active >= 0) this.#held = answer;
    else this.#present(answer);
  }

  /** @param {Answer} answer */
  #present(answer) {
    this.#held = null;
    this.#shown = answer;
    if (this.#settled === answer.text) {
      this.#showSettled(answer);
    } else if (this.#mayOpen) {
      this.options.show(answer.hits, answer.text);
      this.#open(answer);
    } else {
      return;
    }
    if (answer.submit || answer.keyAt === null) return;
    this.#setFigures(answer, `${since(answer.keyAt)} from key to result`);
    this.#announce(counted(answer.hits.length));
  }

  /** The rows are free to change again. */
  #released() {
    this.#pointing = false;
    if (this.#held !== null && this.#active < 0) this.#present(this.#held);
  }

  /** @param {Answer} answer */
  #open(answer) {
    const found = answer.hits.length > 0;
    this.parts.settled.hidden = true;
    this.parts.panel.hidden = !found;
    this.input.setAttribute("aria-expanded", String(found));
    this.#replaceHints(answer);
  }

  /** Beside or instead of results stands either the hints of the empty field or a word on finding nothing. @param {Answer} answer */
  #replaceHints(answer) {
    const { none, hints } = this.parts;
    hints.hidden = true;
    none.hidden = answer.hits.length > 0;
    const nothing = `Nothing found for “${oneLine(answer.text, 60)}”.`;
    none.textContent = this.#documents === null ? "This server has no documents to search." : nothing;
  }

  /** Until somebody types again, no answer opens the panel. */
  #close() {
    this.#mayOpen = false;
    this.#activate(-1);
    this.parts.panel.hidden = true;
    this.parts.none.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#released();
  }

  /** @param {FocusEvent} event */
  #focusLeft(event) {
    const to = event.relatedTarget;
    // Another window took the focus, not another part of the page: the field still has it when one comes back.
    if (document.activeElement === this.input) return;
    if (to instanceof Node && this.parts.form.contains(to)) return;
    const wasOpen = this.#isOpen;
    this.#close();
    // On a phone the field loses the focus when its keyboard is put away, most often to see the results.
    if (wasOpen && to === null && matchMedia("(pointer: coarse)").matches) this.#settle();
  }

  /** @param {number} keyAt */
  #submit(keyAt) {
    if (isBlank(this.input.value)) return;
    this.#close();
    this.#settle();
    this.client.submit(keyAt);
    this.#waitForAnswer();
  }

  /** The results leave the panel and become part of the page, as links that the Tab key reaches. */
  #settle() {
    this.#settled = this.client.text;
    if (this.#shown !== null) this.#showSettled(this.#shown);
  }

  /** @param {Answer} answer */
  #showSettled(answer) {
    this.answers.show(answer.hits, answer.text);
    this.parts.settled.hidden = answer.hits.length === 0;
    this.#replaceHints(answer);
  }

  /** @param {Answer} answer */
  #countSubmit(answer) {
    this.#submits += 1;
    if (answer.ready) this.#readySubmits += 1;
    const share = this.#submits > 1 ? ` (${this.#readySubmits} of ${this.#submits})` : "";
    this.#setFigures(answer, (answer.ready ? "✓ ready at Enter" : `${since(answer.keyAt)} after Enter`) + share);
    this.parts.figures.classList.toggle("ready", answer.ready);
    this.#announce(counted(answer.hits.length));
  }

  /**
   * @param {Answer} answer
   * @param {string} figure
   */
  #setFigures(answer, figure) {
    const { figures } = this.parts;
    figures.textContent = `${counted(answer.hits.length)} · ${figure}`;
    figures.classList.remove("ready", "trouble");
  }

  /** Nothing is typed: back to the page's first look. */
  #reset() {
    this.#close();
    this.#shown = null;
    this.#held = null;
    this.#settled = null;
    this.options.clear();
    this.answers.clear();
    this.#stopWaiting();
    clearTimeout(this.#announceTimer);
    const { settled, none, hints, figures, announcer } = this.parts;
    settled.hidden = true;
    none.hidden = true;
    hints.hidden = false;
    figures.textContent = "";
    figures.classList.remove("ready");
    announcer.textContent = "";
  }

  /** @param {import("./client.js").Welcome} welcome */
  #welcomed(welcome) {
    const { documents } = welcome;
    this.#documents = documents === null || typeof documents === "number" ? documents : undefined;
    this.element.dispatchEvent(new CustomEvent("welcome", { detail: welcome }));
    this.#stateChanged();
  }

  #stateChanged() {
    const { connection } = this.parts;
    const { state } = this.client;
    const scope = this.#documents ? ` · ${this.#documents.toLocaleString("en")} documents` : "";
    connection.textContent = STATES[state] + (state === "open" ? scope : "");
    connection.dataset.state = state;
  }

  /** @param {import("./client.js").Problem} problem */
  #problem(problem) {
    this.#stopWaiting();
    this.element.dispatchEvent(new CustomEvent("problem", { detail: problem }));
    const { figures } = this.parts;
    figures.textContent = oneLine(problem.message || problem.code, 160);
    figures.classList.remove("ready");
    figures.classList.add("trouble");
    this.#announce(figures.textContent);
  }

  #waitForAnswer() {
    clearTimeout(this.#waitingTimer);
    this.#waitingTimer = setTimeout(() => this.element.toggleAttribute("data-waiting", this.client.busy), WAITING_AFTER_MS);
  }

  #stopWaiting() {
    clearTimeout(this.#waitingTimer);
    this.element.removeAttribute("data-waiting");
  }

  /** @param {string} message */
  #announce(message) {
    clearTimeout(this.#announceTimer);
    this.#announceTimer = setTimeout(() => { this.parts.announcer.textContent = message; }, ANNOUNCE_AFTER_MS);
  }
}

/** @param {string} text */
function isBlank(text) {
  return text.trim() === "";
}

/** @param {number} count */
function counted(count) {
  return count === 0 ? "No results" : count === 1 ? "1 result" : `${count} results`;
}

/**
 * The time from a moment of the page's clock until now.
 * @param {number | null} moment
 */
function since(moment) {
  const ms = performance.now() - (moment ?? performance.now());
  if (ms >= 9950) return `${Math.round(ms / 1000)} s`;
  if (ms >= 995) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @returns {HTMLElement}
 */
function part(element, name) {
  const found = element.querySelector(`[data-part="${name}"]`);
  if (!(found instanceof HTMLElement)) throw new Error(`<${element.localName}> lacks its part data-part="${name}"`);
  return found;
}

export class TypeaheadSearch extends HTMLElement {
  /** @type {SearchBox | undefined} */
  #box;
  /** @type {string | null} */
  #token = null;

  /**
   * The bearer token that the server asks for, if it does: a `problem` event with the code `unauthorized` tells. A
   * property only, as attributes stand in the page's source.
   * @param {string | null} token
   */
  set token(token) {
    this.#token = token;
    this.#box?.authorize(token);
  }

  connectedCallback() {
    this.#box ??= new SearchBox(this);
    if (this.#token !== null) this.#box.authorize(this.#token);
    this.#box.client.connect();
  }

  disconnectedCallback() {
    this.#box?.client.close();
  }

  /**
   * Put a text into the field as if it had been typed.
   * @param {string} text
   */
  type(text) {
    this.#box?.type(text);
  }
}

customElements.define("typeahead-search", TypeaheadSearch);
