/**
 * What the user is asking: the text and its filter, the keystroke and the Enter that still need an answer, and the
 * newest answer. `conversation.js` takes it over the websocket, `fallback.js` over HTTP.
 * @module
 */

import { asAnswer } from "./answer.js";
import { longerThan, wellFormed } from "./edits.js";
import { filterJson } from "./filter.js";

/** @typedef {import("./types.js").Key} Key */
/** @typedef {import("./types.js").Problem} Problem */

/**
 * Whether the server cannot use the filter, whatever the text.
 * @param {{code?: unknown}} error
 */
export function isBadFilter({ code }) {
  return code === "bad_filter" || code === "unknown_field" || code === "unsupported_filter";
}

export class Query {
  text = "";
  /** As JSON; empty for none. Texts and answers are compared together with it. */
  filterJson = "";
  /** Whether the page's filter is none, so that no server is asked. */
  #unusable = false;
  /** Why nothing is searched until there is another filter. @type {Problem | null} */
  barred = null;
  /** When the keystroke that made the text was pressed; null once it is answered. @type {number | null} */
  keyAt = null;
  /** When Enter was pressed, if it has not been sent yet. @type {number | null} */
  submitAt = null;
  /** Whether more results of the newest answer are wanted and not yet asked for. */
  wantsMore = false;
  /** The question that was refused, by the server or for its length, and so gets no answer. @type {string | null} */
  refused = null;
  /** The newest answer, with all pages of its hits, and what it answers. @type {{text: string | null, filter: string, message: any, more: boolean}} */
  found;
  /** The number of the last question, counted over all connections and over HTTP. */
  seq = 0;
  /** How many hits a page has. */
  k = 8;

  /**
   * @param {number} maxChars the server's limit in code points
   * @param {(event: string, detail: unknown) => void} emit
   * @param {boolean} [faceted] whether an empty text has an answer, too: the facets of all documents
   */
  constructor(maxChars, emit, faceted = false) {
    this.maxChars = maxChars;
    this.emit = emit;
    this.faceted = faceted;
    this.found = this.#none;
  }

  /** No answer yet. An empty text needs none, unless its facets are wanted. */
  get #none() {
    return { text: this.faceted ? null : "", filter: this.filterJson, message: {}, more: false };
  }

  /** Whether the text, an Enter or the wish for more still needs an answer. */
  get open() {
    if (this.barred !== null) return false;
    return this.submitAt !== null || this.wantsMore || (!this.isFound && this.#question !== this.refused);
  }

  /** Whether the newest answer is that of this text and filter. */
  get isFound() {
    return this.#asks(this.found);
  }

  /** Where the next page starts if one is wanted, else 0. */
  get offset() {
    return this.wantsMore && this.isFound ? (this.found.message.hits?.length ?? 0) : 0;
  }

  get #question() {
    return `${this.filterJson}\n${this.text}`;
  }

  /** @param {{text: string | null, filter?: string}} key */
  #asks({ text, filter = "" }) {
    return text === this.text && filter === this.filterJson;
  }

  /**
   * @param {string} text
   * @param {number} keyAt
   * @returns {boolean} whether the text is a new one
   */
  type(text, keyAt) {
    const clean = wellFormed(text);
    if (clean === this.text) return false;
    this.text = clean;
    this.#renew(keyAt);
    return true;
  }

  /**
   * Search what this filter admits from now on. If it is no filter, nothing is searched.
   * @param {unknown} filter null for none
   * @param {number} at the time
   * @returns {boolean} whether it is another one
   */
  filterBy(filter, at) {
    const json = filter === null ? "" : filterJson(filter);
    if (json === this.filterJson && this.barred === null) return false;
    this.barred = null;
    this.#unusable = json === null;
    this.filterJson = json ?? "";
    this.found = this.#none;
    this.#renew(at);
    if (json === null) this.bar({ code: "bad_filter", message: "The filter is not a JSON object with plain values." });
    return true;
  }

  /** The filter; null for none. @returns {import("./types.js").Filter | null} */
  get filter() {
    return JSON.parse(this.filterJson || "null");
  }

  /** Ask again what another server refused. */
  unbar() {
    if (this.barred === null || this.#unusable) return;
    this.barred = null;
    this.refused = null;
  }

  /** @param {number} keyAt */
  #renew(keyAt) {
    this.keyAt = keyAt;
    this.submitAt = null;
    this.wantsMore = false;
  }

  /** Refuses the text if it is longer than the server allows. */
  tooLong() {
    if (!longerThan(this.text, this.maxChars)) return false;
    this.refuse({ code: "text_too_long", message: `Too long: at most ${this.maxChars} characters.` });
    return true;
  }

  /** The text gets no answer and is not sent again. @param {any} error */
  refuse(error) {
    this.submitAt = null;
    this.refused = this.#question;
    this.report(error);
  }

  /**
   * The server does not take the filter: nothing is searched until there is another.
   * @param {any} error
   */
  bar(error) {
    this.barred = asProblem(error);
    this.found = this.#none;
    this.wantsMore = false;
    this.refuse(error);
  }

  /**
   * A question was refused.
   * @param {Key} key
   * @param {any} error
   * @returns {boolean} whether another question stands by now: then ask that
   */
  rejected(key, error) {
    if ((key.filter ?? "") === this.filterJson && isBadFilter(error)) this.bar(error);
    else if (!this.#asks(key)) return true;
    else if (key.offset) this.#noMore(key, error);
    else this.refuse(error);
    return false;
  }

  /** @param {any} error */
  report(error) {
    this.emit("problem", asProblem(error));
  }

  /**
   * An answer came. It counts if it has the present filter, and a further page if it continues the newest answer.
   * @param {any} message
   * @param {Key} key
   * @returns {boolean} false if the documents have changed since the first page: then ask for that again
   */
  answer(message, key) {
    const { filter = "", offset = 0, text } = key;
    if (offset > 0) this.wantsMore = false;
    if (filter !== this.filterJson || this.barred !== null) return true;
    const before = this.found;
    const same = before.text === text && before.message.version === message.version;
    const page = Array.isArray(message.hits) ? message.hits : [];
    const kept = same && Array.isArray(before.message.hits) ? before.message.hits : [];
    let more = page.length >= this.k;
    if (offset > 0) {
      if (!this.#asks(key) || (same && kept.length !== offset)) return true;
      if (!same) {
        before.text = null;
        return false;
      }
      message = { ...message, ...before.message, seq: message.seq, hits: [...kept, ...page], timing_us: message.timing_us };
    } else if (more && kept.length >= page.length) {
      // The same first page again, after Enter or a reconnection: the further ones still stand.
      message = { ...message, hits: [...page, ...kept.slice(page.length)] };
      more = before.more;
    }
    this.found = { text, filter, message, more };
    this.emit("hits", asAnswer(message, key, more));
    return true;
  }

  /** There are no more pages. @param {Key} key @param {any} error */
  #noMore(key, error) {
    this.report(error);
    this.wantsMore = false;
    this.found.more = false;
    this.emit("hits", asAnswer(this.found.message, { ...key, keyAt: null, sentAt: undefined }, false));
  }
}

/** @param {any} error @returns {Problem} */
function asProblem({ code, message }) {
  return { code: String(code ?? "error"), message: String(message ?? "") };
}
