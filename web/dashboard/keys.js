/**
 * The visitor's keystrokes and where the time of each went, from the events of `TypeaheadClient`. Needs no DOM.
 * @module
 */

/** The parts of a keystroke's time: the client's, the server's, the network's, the browser's. */
export const PARTS = ["sent", "queue", "tokenize", "step", "search", "serialize", "network", "paint"];

/**
 * A keystroke or an Enter. `parts` are milliseconds by `PARTS`, null until its results are painted. `overtaken` means
 * that the results of a later keystroke came first, so its own never came.
 * @typedef {{label: string, chars: number, keyAt: number, submit: boolean, ready: boolean, overtaken: boolean,
 *   parts: Record<string, number> | null, total: number}} Key
 */

/** @typedef {import("../types.js").Answer & {sentAt?: number | null}} Answer */

/** How many keystrokes of a query to keep. */
const MOST = 60;

export class KeyLog {
  /** Oldest first. @type {Key[]} */
  keys = [];

  /**
   * The text has changed.
   * @param {string} label what the user did, in a symbol
   * @param {number} chars code points of the text
   * @param {number} keyAt
   */
  typed(label, chars, keyAt) {
    if (chars === 0) this.keys = [];
    else this.#add({ label, chars, keyAt, submit: false, ready: false, overtaken: false, parts: null, total: NaN });
  }

  /**
   * Enter was pressed.
   * @param {number} chars
   * @param {number} keyAt
   */
  entered(chars, keyAt) {
    this.#add({ label: "Enter", chars, keyAt, submit: true, ready: false, overtaken: false, parts: null, total: NaN });
  }

  /**
   * An answer has been painted.
   * @param {Answer} answer
   * @param {number} receivedAt
   * @param {number} paintedAt
   */
  painted(answer, receivedAt, paintedAt) {
    const at = this.keys.findIndex((key) => key.keyAt === answer.keyAt && key.submit === answer.submit);
    const key = this.keys[at];
    // A keystroke that was sent again after a reconnection has no round trip of its own.
    if (key === undefined || typeof answer.sentAt !== "number") return;
    for (const earlier of this.keys.slice(0, at)) earlier.overtaken ||= earlier.parts === null && !earlier.submit;
    key.ready = answer.ready;
    key.parts = divide(key.keyAt, answer.sentAt, receivedAt, paintedAt, answer.timing);
    key.total = paintedAt - key.keyAt;
  }

  /** @param {Key} key */
  #add(key) {
    this.keys.push(key);
    if (this.keys.length > MOST) this.keys.shift();
  }
}

/**
 * Where the time went, in milliseconds. Any part of the round trip that the server does not account for is the
 * network's, there and back.
 * @param {number} keyAt
 * @param {number} sentAt
 * @param {number} receivedAt
 * @param {number} paintedAt
 * @param {Record<string, number>} timing of the server, in microseconds
 */
function divide(keyAt, sentAt, receivedAt, paintedAt, timing) {
  const server = (/** @type {string} */ stage) => Math.max(0, Number(timing[stage]) || 0) / 1000;
  return {
    sent: sentAt - keyAt,
    queue: server("queue"),
    tokenize: server("tokenize"),
    step: server("step"),
    search: server("search"),
    serialize: server("serialize"),
    network: Math.max(0, receivedAt - sentAt - server("total")),
    paint: paintedAt - receivedAt,
  };
}

/**
 * What an edit did, in short: the letter, a symbol for a deletion, a number for several letters.
 * @param {{at: number, del: number, ins: string}} edit
 */
export function keyLabel({ del, ins }) {
  const letters = [...ins];
  if (letters.length === 0) return del === 1 ? "⌫" : `⌫${del}`;
  if (letters.length > 1) return `+${letters.length}`;
  return letters[0] === " " ? "␣" : letters[0];
}
