/**
 * Searching without a websocket: when to ask over HTTP, one search at a time, and what to make of the reply. The
 * request itself is in `http.js`.
 * @module
 */

import { Refusal, search } from "./http.js";

/** A keystroke costs a request here, so it waits this long for the next one. */
const PAUSE_MS = 120;
const PATIENCE_MS = 5000;

/**
 * What the fallback asks of the client.
 * @typedef {object} Line
 * @property {() => Record<string, unknown>} hello the hello, whose `k`, `min_score` and `token` go into each search
 * @property {() => void} works HTTP brought an answer
 * @property {() => void} fails HTTP found no server
 * @property {() => void} refused the server wants another token
 * @property {() => void} again more may have been typed: ask about it if HTTP is still wanted
 */

/** @typedef {ReturnType<typeof createFallback>} Fallback */

/**
 * @param {string} url
 * @param {import("./query.js").Query} query
 * @param {import("./types.js").Surroundings} around
 * @param {Line} line
 */
export function createFallback(url, query, around, { hello, works, fails, refused, again }) {
  const { clearTimeout, fetch, now, setTimeout } = around;
  /** The search under way. @type {AbortController | null} */
  let asking = null;
  /** @type {any} */
  let timer = null;

  async function ask() {
    // One search at a time: on a slow line the next one then covers everything typed meanwhile.
    if (asking !== null || !query.open) return;
    const { found, keyAt, text } = query;
    const sentAt = now();
    const ready = found.text === text;
    let { message } = found;
    if (!ready) {
      if (query.tooLong()) return;
      const mine = new AbortController();
      asking = mine;
      try {
        message = text.trim() === "" ? {} : await searchFor(text, mine);
      } catch (error) {
        if (mine === asking) failed(text, error);
        return;
      }
      if (mine !== asking) return;
      asking = null;
      works();
    }
    const enter = text === query.text ? query.submitAt : null;
    if (enter !== null) query.submitAt = null;
    if (text === query.text) query.keyAt = null;
    const key = { text, keyAt: enter ?? keyAt, sentAt, edit: false, submit: enter !== null };
    query.answer({ ...message, seq: ++query.seq, ready }, key);
    again();
  }

  /**
   * @param {string} text
   * @param {AbortController} mine
   * @returns {Promise<any>}
   */
  async function searchFor(text, mine) {
    const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
    try {
      const { k, min_score, token } = hello();
      return await search(fetch, url, { query: text, k, min_score, token }, mine.signal);
    } finally {
      clearTimeout(patience);
    }
  }

  /**
   * @param {string} text
   * @param {unknown} error
   */
  function failed(text, error) {
    asking = null;
    if (!(error instanceof Refusal)) {
      fails();
    } else if (error.code === "unauthorized") {
      refused();
      query.report(error);
    } else if (text === query.text) {
      query.refuse(error);
    } else {
      again();
    }
  }

  return {
    /**
     * Ask about whatever has no answer yet.
     * @param {boolean} patient whether to wait for a pause in the typing; Enter never waits
     */
    askSoon(patient) {
      clearTimeout(timer);
      if (!query.open) return;
      timer = setTimeout(() => void ask(), patient && query.submitAt === null ? PAUSE_MS : 0);
    },

    stop() {
      clearTimeout(timer);
      asking?.abort();
      asking = null;
    },
  };
}
