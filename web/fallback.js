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
 * @property {() => Record<string, unknown>} hello the hello, whose `k`, `min_score`, `facets` and `token` go into each search
 * @property {() => void} works HTTP brought an answer
 * @property {() => void} fails HTTP found no server
 * @property {() => void} refused the server wants another token
 * @property {() => void} again more may have been typed: ask about it if HTTP is still wanted
 */

/** @typedef {ReturnType<typeof createFallback>} Fallback */

/**
 * @param {string} url
 * @param {string | undefined} index the name of the index, or several with commas; undefined for the server's own
 * @param {import("./query.js").Query} query
 * @param {import("./types.js").Surroundings} around
 * @param {Line} line
 */
export function createFallback(url, index, query, around, { hello, works, fails, refused, again }) {
  const { clearTimeout, fetch, now, setTimeout } = around;
  /** The search under way. @type {AbortController | null} */
  let asking = null;
  /** @type {any} */
  let timer = null;

  async function ask() {
    // One search at a time: on a slow line the next one then covers everything typed meanwhile.
    if (asking !== null || !query.open) return;
    const { filterJson: filter, found, keyAt, text } = query;
    // Enter goes first: it is answered by what stands.
    const offset = query.submitAt === null ? query.offset : 0;
    const sentAt = now();
    const ready = query.isFound && offset === 0;
    let { message } = found;
    if (!ready) {
      if (query.tooLong()) return;
      const mine = new AbortController();
      asking = mine;
      try {
        message = text.trim() === "" && !query.faceted ? {} : await searchFor(text, offset, mine);
      } catch (error) {
        if (mine === asking) failed({ text, keyAt, edit: false, submit: false, filter, offset }, error);
        return;
      }
      if (mine !== asking) return;
      asking = null;
      works();
    }
    const current = text === query.text && filter === query.filterJson;
    const enter = current && offset === 0 ? query.submitAt : null;
    if (enter !== null) query.submitAt = null;
    if (current) query.keyAt = null;
    const key = { text, keyAt: offset > 0 ? null : enter ?? keyAt, sentAt, edit: false, submit: enter !== null, filter, offset };
    query.answer({ ...message, seq: ++query.seq, ready }, key);
    again();
  }

  /**
   * @param {string} text
   * @param {number} offset
   * @param {AbortController} mine
   * @returns {Promise<any>}
   */
  async function searchFor(text, offset, mine) {
    const patience = setTimeout(() => mine.abort(), PATIENCE_MS);
    try {
      const { k, min_score, facets, token } = hello();
      const page = { filter: query.filter ?? undefined, facets, offset: offset || undefined, index };
      return await search(fetch, url, { query: text, k, min_score, ...page, token }, mine.signal);
    } finally {
      clearTimeout(patience);
    }
  }

  /**
   * @param {import("./types.js").Key} key
   * @param {unknown} error
   */
  function failed(key, error) {
    asking = null;
    if (!(error instanceof Refusal)) {
      fails();
    } else if (error.code === "unauthorized") {
      refused();
      query.report(error);
    } else if (query.rejected(key, error)) {
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
