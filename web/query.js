/**
 * What the user is asking: the text, the keystroke and the Enter that still need an answer, and the newest answer.
 * `conversation.js` takes it over the websocket, `fallback.js` over HTTP.
 * @module
 */

import { asAnswer } from "./answer.js";
import { longerThan, wellFormed } from "./edits.js";

/** @typedef {import("./types.js").Key} Key */

export class Query {
  text = "";
  /** When the keystroke that made the text was pressed; null once it is answered. @type {number | null} */
  keyAt = null;
  /** When Enter was pressed, if it has not been sent yet. @type {number | null} */
  submitAt = null;
  /** The text that was refused, by the server or for its length, and so gets no answer. @type {string | null} */
  refused = null;
  /** The newest answer and its text. @type {{text: string, message: any}} */
  found = { text: "", message: {} };
  /** The number of the last question, counted over all connections and over HTTP. */
  seq = 0;

  /**
   * @param {number} maxChars the server's limit in code points
   * @param {(event: string, detail: unknown) => void} emit
   */
  constructor(maxChars, emit) {
    this.maxChars = maxChars;
    this.emit = emit;
  }

  /** Whether the text or an Enter still needs an answer. */
  get open() {
    return this.submitAt !== null || (this.text !== this.found.text && this.text !== this.refused);
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
    this.keyAt = keyAt;
    this.submitAt = null;
    return true;
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
    this.refused = this.text;
    this.report(error);
  }

  /** @param {any} error */
  report(error) {
    this.emit("problem", { code: String(error.code ?? "error"), message: String(error.message ?? "") });
  }

  /**
   * @param {any} message
   * @param {Key} key
   */
  answer(message, key) {
    this.found = { text: key.text, message };
    this.emit("hits", asAnswer(message, key));
  }
}
