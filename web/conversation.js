/**
 * The messages of `typeahead.v1`: what is sent for a keystroke or an Enter, which answers are still due, and what a
 * refusal means. One conversation spans all connections; the server forgets its text with each of them.
 * @module
 */

import { difference } from "./edits.js";

/** @typedef {import("./types.js").Key} Key */
/** @typedef {import("./socket.js").Socket} Socket */
/** @typedef {ReturnType<typeof createConversation>} Conversation */

/** Answers awaited at once. A server that skips keystrokes answers a later one, which settles all before it. */
const MAX_PENDING = 256;
/** An overloaded server is asked again after this long, give or take a random half. */
const OVERLOADED_MS = 600;

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
  /** Keystrokes sent and not yet answered, oldest first. @type {Map<number, Key>} */
  const pending = new Map();
  /** @type {any} */
  let againTimer = null;

  /** Send whatever the server does not have yet. */
  function flush() {
    if (query.text !== (sent ?? "") && !sendText()) return;
    if (query.submitAt !== null) {
      send({ submit: true }, { text: query.text, keyAt: query.submitAt, edit: false, submit: true });
      query.submitAt = null;
    }
  }

  /** @returns {boolean} false if the text is too long to send */
  function sendText() {
    const { text, keyAt } = query;
    if (query.tooLong()) return false;
    const edit = sent === null ? null : difference(sent, text);
    const shorter = edit !== null && edit.ins.length + 16 < text.length;
    send(shorter ? { edit } : { text }, { text, keyAt, edit: shorter, submit: false });
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
    pending.set(seq, { ...key, sentAt: now() });
    if (pending.size > MAX_PENDING) pending.delete(pending.keys().next().value ?? 0);
    socket.send({ seq, ...message });
    socket.expect();
  }

  /** @param {any} hello */
  function welcomed(hello) {
    if (Number.isInteger(hello.max_chars)) query.maxChars = hello.max_chars;
    query.emit("welcome", hello);
  }

  /** @param {any} message */
  function answered(message) {
    const key = pending.get(message.seq);
    // Answered already, overtaken by a later answer, or built on a text that the server refused.
    if (key === undefined) return;
    settle(message.seq);
    succeeded();
    if (key.text === query.text && !key.submit) query.keyAt = null;
    query.answer(message, key);
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
      if (key.submit && key.text === query.text) query.submitAt = key.keyAt;
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
    } else if (key !== undefined && !key.submit) {
      forgetPending();
      sent = null;
      if (key.edit || key.text !== query.text) flush();
      else query.refuse(error);
    } else {
      query.report(error);
    }
  }

  /**
   * The server was too busy to answer a keystroke. It has the text, so the next keystroke builds on it; if none comes,
   * ask again.
   * @param {number} seq
   * @param {Key} key
   */
  function overloaded(seq, key) {
    settle(seq);
    clearTimeout(againTimer);
    againTimer = setTimeout(() => {
      if (key.text !== query.text || pending.size > 0) return;
      sent = null;
      flush();
    }, OVERLOADED_MS * (0.5 + random()));
  }

  return {
    flush,

    /** Whether an answer is due. */
    busy: () => pending.size > 0,

    /**
     * Start over on a connection that has just opened.
     * @param {Socket} opened
     * @param {object} hello
     */
    begin(opened, hello) {
      socket = opened;
      sent = null;
      socket.send({ hello });
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
      if (message.error) refused(message.seq, message.error);
      else if (message.hello) welcomed(message.hello);
      else answered(message);
      return pending.size > 0;
    },
  };
}
