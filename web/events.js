/**
 * Tells the server, if it asks in its hello, when the user stops at a text and which result they choose:
 * `POST /v1/events`. Not every text on the way counts, only one that the user stopped at: by Enter, by choosing a
 * result, or by leaving or emptying the field. `timings.js` reports how long users waited instead.
 * @module
 */

import { beside } from "./http.js";

/** @typedef {import("./types.js").Answer} Answer */

/** With these answers the server will not take events from this page, until it says hello again. */
const NEVER = [401, 403, 404, 405];

export class BoxEvents {
  #url;
  #token;
  #fetch;
  /** Whether the server wants events, and texts in them. @type {unknown} */
  #wanted;
  /** The newest answer to a text. @type {Answer | null} */
  #found = null;
  /** The text that was counted last; null once the field was emptied. @type {string | null} */
  #counted = null;

  /**
   * @param {string | URL} url the websocket's; `events` is beside it
   * @param {() => string | null} token
   * @param {(url: string, request: RequestInit) => Promise<{status: number}>} [fetch]
   */
  constructor(url, token, fetch = (url, request) => globalThis.fetch(url, request)) {
    this.#url = beside(url, "events");
    this.#token = token;
    this.#fetch = fetch;
  }

  /** An event of the box. @param {string} name @param {any} detail */
  heard(name, detail) {
    if (name === "welcome") this.#wanted = detail?.events;
    else if (name === "hits") this.#answered(detail);
    else if (name === "select") this.#chosen(detail);
  }

  /** The user left the field, or emptied it. @param {boolean} [emptied] */
  left(emptied = false) {
    this.#send(this.#stopped());
    if (emptied) this.#found = this.#counted = null;
  }

  /** @param {Answer} answer */
  #answered(answer) {
    if (answer.text.trim() === "") return;
    this.#found = answer;
    if (answer.submit) this.#send(this.#stopped());
  }

  /** @param {import("./types.js").Selection} selection */
  #chosen({ hit, index }) {
    const { text = "" } = this.#found ?? {};
    this.#send([...this.#stopped(), { kind: "select", position: index + 1, ...this.#texts({ text, id: hit.id }) }]);
  }

  /** The event of a text that the user stopped at, if it is not counted yet. @returns {object[]} */
  #stopped() {
    const found = this.#found;
    if (found === null || found.text === this.#counted) return [];
    const { hits, text, weak } = found;
    this.#counted = text;
    return [{ kind: "query", results: hits.length, weak, ...this.#texts({ text }) }];
  }

  /** What only goes to a server that records texts. @param {Record<string, string>} texts */
  #texts(texts) {
    return this.#wanted === "texts" ? texts : {};
  }

  /** @param {object[]} events */
  #send(events) {
    if (events.length === 0 || (this.#wanted !== "numbers" && this.#wanted !== "texts")) return;
    const token = this.#token();
    this.#fetch(this.#url, {
      method: "POST",
      // The page may be gone in a moment.
      keepalive: true,
      credentials: "omit",
      // Without a header of its own, another origin is asked in one request.
      headers: token ? { authorization: `Bearer ${token}` } : {},
      body: JSON.stringify({ events }),
    }).then(
      ({ status }) => { if (NEVER.includes(status)) this.#wanted = null; },
      () => {},
    );
  }
}
