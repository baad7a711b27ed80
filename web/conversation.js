/**
 * The messages of `typeahead.v1`: what is sent for a keystroke or an Enter, which answers are still due, and what a
 * refusal means. One conversation spans all connections; the server forgets its text with each of them.
 * @module
 */

import { difference } from "./edits.js";
import { isBadFilter } from "./query.js";

/** @typedef {import("./types.js").Key} Key */
/** @typedef {import("./socket.js").Socket} Socket */
/** @typedef {ReturnType<typeof createConversation>} Conversation */

/** Answers awaited at once. A server that skips keystrokes answers a later one, which settles all before it. */
const MAX_PENDING = 256;
/**
 * An overloaded server is asked again after this long, give or take a random half, and then ever later. The first wait is
 * short: when a server dies, the others have too much to do for a moment.
 */
const OVERLOADED_MS = 250;
const LAST_OVERLOADED_MS = 2000;

/**
 * @param {import("./query.js").Query} query
 * @param {import("./types.js").Surroundings} around
 * @param {() => void} succeeded called with each answer
 */
export function createConversation(query, { clearTimeout, now, random, setTimeout }, succeeded) {
  /** @type {Socket} */
  let socket;
  /** The text that the server has; null if unknown, so the whole text goes next. @type {string | null} */
  let sent = null;
  /** The filter that the server has, as JSON; null if unknown. @type {string | null} */
  let sentFilter = null;
  /** Whether this connection has had a filter. Servers before 0.2.0 know none. */
  let filtered = false;
  /** Whether the newest message asked for a further page. Enter would be answered by that page. */
  let paged = false;
  /** Whether a hello or an answer has come over this connection. */
  let greeted = false;
  /** Whether the server refused the hello. It takes no other after a keystroke. */
  let helloRefused = false;
  /** Keystrokes sent and not yet answered, oldest first. @type {Map<number, Key>} */
  const pending = new Map();
  /** @type {any} */
  let againTimer = null;
  /** How often in a row the server was too busy. */
  let turnedAway = 0;

  /** Send whatever the server does not have yet. */
  function flush() {
    if (query.barred !== null) return;
    const newFilter = sentFilter !== query.filterJson && query.open;
    const first = (sent === null && query.faceted) || (paged && query.submitAt !== null);
    const due = query.text !== (sent ?? "") || newFilter || first;
    if (due && !sendText()) return;
    if (query.submitAt !== null) {
      send({ submit: true }, { text: query.text, keyAt: query.submitAt, edit: false, submit: true });
      query.submitAt = null;
    }
    sendMore();
  }

  /** The filter, to be sent. */
  function filterNow() {
    sentFilter = query.filterJson;
    filtered ||= sentFilter !== "";
    return query.filter;
  }

  /** Ask for the next page, one at a time. */
  function sendMore() {
    const { offset, text } = query;
    if (offset === 0 || [...pending.values()].some((key) => key.offset)) return;
    send({ text, offset }, { text, keyAt: null, edit: false, submit: false, offset });
  }

  /** @returns {boolean} false if the text is too long to send */
  function sendText() {
    const { text, keyAt } = query;
    if (query.tooLong()) return false;
    const change = sentFilter === query.filterJson ? {} : { filter: filterNow() };
    const edit = sent === null || "filter" in change ? null : difference(sent, text);
    const shorter = edit !== null && edit.ins.length + 16 < text.length;
    send(shorter ? { edit } : { text, ...change }, { text, keyAt, edit: shorter, submit: false });
    sent = text;
    query.refused = null;
    return true;
  }

  /**
   * @param {object} message
   * @param {Key} key
   */
  function send(message, key) {
    const seq = ++query.seq;
    paged = (key.offset ?? 0) > 0;
    pending.set(seq, { ...key, filter: query.filterJson, sentAt: now() });
    if (pending.size > MAX_PENDING) pending.delete(pending.keys().next().value ?? 0);
    socket.send({ seq, ...message });
    socket.expect();
  }

  /** @param {any} hello */
  function welcomed(hello) {
    if (Number.isInteger(hello.max_chars)) query.maxChars = hello.max_chars;
    if (Number.isInteger(hello.k)) query.k = hello.k;
    query.emit("welcome", hello);
  }

  /** @param {any} message */
  function answered(message) {
    const key = pending.get(message.seq);
    // Answered already, overtaken by a later answer, or built on a text that the server refused.
    if (key === undefined) return;
    settle(message.seq);
    turnedAway = 0;
    succeeded();
    if (key.text === query.text && key.filter === query.filterJson && !key.submit && !key.offset) query.keyAt = null;
    if (!query.answer(message, key)) {
      sent = null;
      flush();
    }
    // An Enter may have overtaken it.
    sendMore();
  }

  /** No answer up to this one is due any more. @param {number} last */
  function settle(last) {
    for (const seq of pending.keys()) {
      if (seq <= last) pending.delete(seq);
    }
  }

  /** The answers due will not come, or are of no use. An Enter among them is asked again with the text. */
  function forgetPending() {
    for (const key of pending.values()) {
      if (key.submit && key.text === query.text && key.filter === query.filterJson) query.submitAt = key.keyAt;
    }
    pending.clear();
  }

  /**
   * The server refused a keystroke and kept its previous text. Everything sent since builds on a text that it does not
   * have, so those answers are of no use. Sending the whole text mends that, unless it is what was refused.
   * @param {unknown} seq
   * @param {any} error
   */
  function refused(seq, error) {
    const key = typeof seq === "number" ? pending.get(seq) : undefined;
    if (key === undefined && typeof seq === "number") return;
    if (key !== undefined && error.code === "overloaded") {
      overloaded(/** @type {number} */ (seq), key);
    } else if (key?.offset) {
      pending.delete(/** @type {number} */ (seq));
      query.rejected(key, error);
    } else if (key !== undefined && !key.submit) {
      forgetPending();
      sent = null;
      if (filtered) sentFilter = null;
      if (key.edit || query.rejected(key, error)) flush();
    } else if (key === undefined && !greeted) {
      refusedHello(error);
    } else {
      query.report(error);
    }
  }

  /**
   * Without its hello the server searches all documents. What comes now must not stand as if it were filtered.
   * @param {any} error
   */
  function refusedHello(error) {
    helloRefused = true;
    if (query.filterJson === "" && !isBadFilter(error)) {
      query.report(error);
    } else {
      forgetPending();
      query.bar(error);
    }
  }

  /**
   * The server was too busy to answer a keystroke. It has the text, so the next keystroke builds on it; if none comes,
   * ask again. The filter goes with it once more, to be sure.
   * @param {number} seq
   * @param {Key} key
   */
  function overloaded(seq, key) {
    settle(seq);
    if (filtered) sentFilter = null;
    const wait = Math.min(LAST_OVERLOADED_MS, OVERLOADED_MS * 2 ** turnedAway);
    turnedAway += 1;
    clearTimeout(againTimer);
    againTimer = setTimeout(() => {
      if (key.text !== query.text || pending.size > 0) return;
      if (!key.offset) sent = null;
      flush();
    }, wait * (0.5 + random()));
  }

  return {
    flush,

    /** Whether an answer is due. */
    busy: () => pending.size > 0,

    /** Whether the server has accepted this client over the present connection. */
    greeted: () => greeted,

    /** Whether only a new connection can get a hello through. */
    needsHello: () => helloRefused,

    /**
     * Start over on a connection that has just opened.
     * @param {Socket} opened
     * @param {object} hello
     */
    begin(opened, hello) {
      socket = opened;
      sent = null;
      paged = false;
      greeted = false;
      helloRefused = false;
      filtered = false;
      query.unbar();
      const filter = filterNow();
      socket.send({ hello: filter === null ? hello : { ...hello, filter } });
    },

    /** The connection is gone, and the answers with it. */
    end() {
      clearTimeout(againTimer);
      forgetPending();
    },

    /**
     * @param {any} message
     * @returns {boolean} whether another answer is due
     */
    received(message) {
      if (message.error) {
        refused(message.seq, message.error);
        return pending.size > 0;
      }
      greeted = true;
      if (message.hello) welcomed(message.hello);
      else answered(message);
      return pending.size > 0;
    },
  };
}
