/**
 * The search box at work: what a keystroke, a click or a message from the client leads to. `search-box.js` is the
 * element round it, `keys.js` the keyboard, `showing.js` the results' policy; `panel.js` and `status.js` draw.
 * @module
 */

import { createChoice } from "./choice.js";
import { Composition } from "./composition.js";
import { createFacets } from "./facets.js";
import { commandOf } from "./keys.js";
import { createPanel } from "./panel.js";
import { createShowing } from "./showing.js";
import { createStatus } from "./status.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./host.js").Host} Host */
/** @typedef {import("./client.js").TypeaheadClient} Client */

export class Combobox {
  #parts;
  #host;
  #panel;
  #showing;
  #choice;
  #facets;
  #status;
  #composition = new Composition();
  /** @type {Client | null} */
  #client = null;
  /** The value handled last; null to handle the next one in any case. @type {string | null} */
  #value = "";
  /** The text that the page knows to be final: that of the last `change`, or the one it set. */
  #committed = "";
  /** When the key was pressed that is about to change the field. @type {number | null} */
  #pressedAt = null;
  /** How many documents the server searches; null if it has none, undefined if it has not said. @type {number | null | undefined} */
  #documents;
  /** What was said of the results last: whether even the best is a poor one, and whether they may be out of date. */
  #said = { weak: false, stale: false, partial: false };

  /**
   * @param {import("./markup.js").Parts} parts
   * @param {Host} host
   */
  constructor(parts, host) {
    this.#parts = parts;
    this.#host = host;
    this.#panel = createPanel(parts, host.template, () => host.messages, () => this.#more());
    this.#facets = createFacets(parts, host);
    this.#status = createStatus(parts, host, () => this.#client?.busy === true);
    this.#showing = createShowing(this.#panel, {
      nothing: (text) => this.#nothing(text),
      accepted: (answer) => {
        host.emit("hits", answer);
        this.#grade(answer);
      },
      drawn: this.#status.shown,
    });
    this.#choice = createChoice(this.#panel, this.#showing, host, (keyAt) => this.#submit(keyAt));
    this.#listen();
  }

  /** Search with this client from now on. @param {Client} client */
  serve(client) {
    this.#client = client;
    /** @param {string} name @param {(detail: any) => void} handle */
    const on = (name, handle) => client.addEventListener(name, (event) => {
      if (client === this.#client) handle(/** @type {CustomEvent} */ (event).detail);
    });
    on("hits", (answer) => this.#answered(answer));
    on("statechange", (state) => {
      if (state === "refused") this.#showing.bar(this.#reason());
      this.refresh();
      this.#host.emit("statechange", state);
    });
    on("welcome", (welcome) => {
      this.#documents = welcome.documents === null || typeof welcome.documents === "number" ? welcome.documents : undefined;
      this.refresh();
      this.#host.emit("welcome", welcome);
    });
    on("problem", (problem) => {
      this.#status.trouble(problem);
      if (client.barred !== null) this.#showing.bar(this.#reason());
      this.refresh();
      this.#host.emit("problem", problem);
    });
    client.update(this.#parts.input.value);
    this.refresh();
  }

  /**
   * Search what this filter admits from now on.
   * @param {unknown} filter null for none
   * @param {boolean} [byUser] whether the user chose it
   */
  filterBy(filter, byUser = false) {
    const client = this.#client;
    if (client === null || !client.filterBy(filter)) return;
    if (client.barred === null) {
      this.calm();
      this.#showing.refilter(byUser);
      if (client.busy) this.#status.wait();
    }
    this.refresh();
  }

  /** The facets, and which of their values the user has chosen. */
  get facets() {
    return this.#facets;
  }

  /** The newest results. */
  get hits() {
    return this.#showing.answer()?.hits ?? [];
  }

  get isOpen() {
    return this.#panel.isOpen();
  }

  get #isBlank() {
    return isBlank(this.#parts.input.value);
  }

  /** Put a text into the field as if the user had typed it. @param {string} text */
  type(text) {
    this.#parts.input.value = text;
    this.#parts.input.focus();
    this.#value = null;
    this.#typed(performance.now());
    this.#host.edited();
  }

  /** Put a text into the field from a program: its results open nothing. @param {string} text */
  fill(text) {
    this.#parts.input.value = text;
    this.#committed = text;
    this.#value = null;
    this.#typed(performance.now());
    this.#showing.close();
  }

  /** Take back the last problem, since it is being dealt with. */
  calm() {
    this.#status.calm();
  }

  /** Write all words again, after the language, the settings or the state have changed. */
  refresh() {
    this.#status.refresh(this.#client?.state ?? "closed", this.#documents, this.#said);
    this.#sayAway();
  }

  #listen() {
    /** @param {HTMLElement} part @param {string} type @param {(event: any) => void} handle */
    const on = (part, type, handle) => part.addEventListener(type, handle);
    const { answers, box, clear, facets, field, forget, input, options, panel, settled } = this.#parts;
    on(input, "keydown", (event) => this.#key(event));
    on(input, "keyup", () => { this.#pressedAt = null; });
    on(input, "compositionupdate", (event) => this.#composition.update(event.data));
    on(input, "compositionend", (event) => {
      this.#composition.end(event.data);
      this.#typed(event.timeStamp);
    });
    on(input, "input", (event) => this.#typed(this.#pressedAt ?? event.timeStamp));
    // Programs that fill in fields for the user may send no other event.
    on(input, "change", (event) => {
      this.#typed(event.timeStamp);
      this.#commit();
    });
    on(input, "click", () => this.#offer());
    on(field, "submit", (event) => {
      event.preventDefault();
      this.#submit(event.timeStamp);
    });
    on(clear, "click", () => this.type(""));
    on(forget, "click", () => {
      this.#host.recent.forget();
      this.#showing.close();
      input.focus();
    });
    on(facets, "keydown", (event) => {
      if (event.key !== "Escape" || !this.isOpen) return;
      this.#showing.close();
      input.focus();
    });
    on(box, "focusin", () => { if (this.#client?.state === "asleep") this.#client.connect(); });
    on(box, "focusout", (event) => this.#focusLeft(event));
    for (const list of [panel, settled]) {
      for (const move of ["pointermove", "pointerdown"]) on(list, move, this.#showing.freeze);
      on(list, "pointerleave", this.#showing.release);
    }
    // A press in the panel must not take the focus from the field: that would close the panel before the click.
    on(panel, "mousedown", (event) => event.preventDefault());
    on(options, "click", (event) => this.#choice.clicked(event, this.#panel.options));
    on(answers, "click", (event) => this.#choice.clicked(event, this.#panel.answers));
  }

  /** @param {number} keyAt */
  #typed(keyAt) {
    const text = this.#parts.input.value;
    this.#host.changed(text);
    this.#parts.clear.hidden = text === "";
    if (text === this.#value || !this.#composition.searchable) return;
    this.#value = text;
    if (!this.#client?.barred) this.calm();
    if (this.#panel.isOffering()) this.#showing.close();
    this.#showing.typed();
    this.#client?.update(text, keyAt);
    this.refresh();
    if (isBlank(text)) {
      this.#showing.reset();
      this.#status.reset();
      this.#grade({ weak: false, stale: false, partial: false });
    } else if (this.#client?.busy) {
      this.#status.wait();
    } else if (this.#showing.answer()?.text === this.#client?.text) {
      this.#showing.reopen();
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    this.#pressedAt = event.timeStamp;
    const command = commandOf(event, this.isOpen, this.#parts.input.value === "");
    if (command === null) return;
    event.preventDefault();
    if (command === "next") this.#move(1);
    else if (command === "previous") this.#move(-1);
    else if (command === "open") this.#reopen();
    else if (command === "close") this.#showing.close();
    else if (command === "clear") this.type("");
    else if (command === "enter") this.#enter(event);
  }

  /** @param {KeyboardEvent} event */
  #enter(event) {
    const active = this.#panel.active();
    if (!this.isOpen || active === undefined) this.#submit(event.timeStamp);
    else this.#choice.entered(active, event);
  }

  #reopen() {
    if (this.isOpen) return;
    if (this.#isBlank) this.#offer();
    else if (!this.#showing.reopen()) this.#sayAway();
  }

  /** @param {1 | -1} step */
  #move(step) {
    this.#reopen();
    this.#panel.move(step);
    if (this.#panel.active() === undefined) this.#showing.release();
  }

  /** @param {Answer} answer */
  #answered(answer) {
    if (!this.#client?.busy) this.#status.rest();
    this.#facets.receive(answer);
    if (this.#isBlank || isBlank(answer.text)) return;
    if (answer.submit) this.#status.entered(answer);
    this.#showing.receive(answer);
  }

  /** Get the next page, unless newer results wait to be shown. */
  #more() {
    if (!this.#showing.catchUp() && this.#client?.more()) this.#status.wait();
  }

  /**
   * Tell the page when results become weak, stale or partial, and when they no longer are.
   * @param {{weak: boolean, stale: boolean, partial: boolean}} results
   */
  #grade({ weak, stale, partial }) {
    const before = this.#said;
    this.#said = { weak, stale, partial };
    if (weak !== before.weak) this.#host.emit("weak", weak);
    if (stale !== before.stale || partial !== before.partial) this.refresh();
    if (stale !== before.stale) this.#host.emit("stale", stale);
    if (partial !== before.partial) this.#host.emit("partial", partial);
  }

  /** What to say if nothing was found. @param {string} text */
  #nothing(text) {
    const { messages } = this.#host;
    return this.#documents === null ? messages.noDocuments : messages.none(oneLine(text, 60));
  }

  /** Why there are no results; empty if nothing is in their way. */
  #reason() {
    const { messages } = this.#host;
    const { barred = null, state } = this.#client ?? {};
    if (state === "refused") return messages.denied;
    if (barred !== null) return barred.code === "unknown_field" ? messages.unknown_field : messages.bad_filter;
    return state === "waiting" ? messages.away : state === "offline" ? messages.noNetwork : "";
  }

  /** If the server is away or does not search, say so in place of results. */
  #sayAway() {
    const words = this.#reason();
    if (words === "" || !this.#isBlank) this.#showing.sayAway(words);
  }

  /** Offer recent searches in an empty field, if the page asked for them. */
  #offer() {
    const texts = this.#isBlank && !this.isOpen ? this.#host.recent.texts : [];
    if (texts.length > 0) this.#panel.offer(texts, (text) => this.type(text));
  }

  /** @param {FocusEvent} event */
  #focusLeft(event) {
    const { facets, field, input, panel } = this.#parts;
    const to = event.relatedTarget;
    // Another window took the focus, not another part of the page: the field still has it on return.
    if (/** @type {ShadowRoot} */ (input.getRootNode()).activeElement === input) return;
    if (to instanceof Node && [facets, field, panel].some((part) => part.contains(to))) return;
    if (to instanceof Element && to.closest('[slot="facets"]') !== null) return;
    this.#commit();
    const wasOpen = this.isOpen;
    this.#showing.close();
    // On a phone the field loses the focus when the keyboard is put away, most often to see the results.
    const putAway = wasOpen && to === null && matchMedia("(pointer: coarse)").matches;
    if (putAway && this.#showing.answer() !== null) this.#showing.settle(this.#client?.text ?? null);
  }

  /** Tell the page that the text is final for now, once for each. */
  #commit() {
    const text = this.#parts.input.value;
    if (text === this.#committed) return;
    this.#committed = text;
    this.#host.committed();
  }

  /** @param {number} keyAt */
  #submit(keyAt) {
    this.#commit();
    const client = this.#client;
    if (client === null || this.#isBlank) return;
    const { text } = client;
    const ready = this.#showing.answer()?.text === text && !client.busy;
    this.#host.recent.add(text);
    this.#showing.close();
    client.submit(keyAt);
    if (!this.#host.emit("submit", { text, hits: this.hits, ready }) || this.#host.enter()) return;
    this.#showing.settle(client.text);
    this.#status.wait();
  }
}

/** @param {string} text */
function isBlank(text) {
  return text.trim() === "";
}
