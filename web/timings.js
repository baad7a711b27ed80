/**
 * What people felt, told to the server in batches: from a key's event to the end of the frame that shows its results,
 * and the round trip. Listens to `hits` events, of `TypeaheadClient` or of `<typeahead-search>`, and knows no DOM.
 * Numbers alone are sent, never a text: see `typeahead/server/client_timings.py`.
 * @module
 */

/** @typedef {{keyAt: number | null, sentAt?: number | null, submit: boolean, timing: Record<string, number>}} Answered */

/**
 * What this module needs of its surroundings; tests put their own here.
 * @typedef {object} Surroundings
 * @property {() => number} now
 * @property {(callback: () => void) => void} afterFrame
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {(url: string, request: RequestInit) => Promise<{status: number}>} fetch
 * @property {() => boolean} hidden
 */

const EVERY_MS = 10000;
const LONGEST_EVERY_MS = 320000;
/** Values of a kind in one report; the server takes some more. */
const MAX_VALUES = 100;
/** What the server says where it will take no report of this page, whenever it comes. */
const NEVER = [401, 403, 404, 405];

/**
 * Call back after the next frame is painted: a task that is queued in a frame runs after it.
 * @param {() => void} callback
 */
export function afterFrame(callback) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      callback();
    };
    channel.port2.postMessage(null);
  });
}

/** @type {Surroundings} */
const BROWSER = {
  now: () => performance.now(),
  afterFrame,
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  fetch: (url, request) => globalThis.fetch(url, request),
  hidden: () => globalThis.document?.visibilityState === "hidden",
};

/** Listens to `source` until `stop()`. */
export class ClientTimings {
  #source;
  #url;
  #token;
  #around;
  /** @type {Record<string, number[]>} */
  #waiting = {};
  /** @type {any} */
  #timer = null;
  #every = EVERY_MS;

  /**
   * @param {EventTarget} source
   * @param {string | URL} url where reports go: `v1/client-timings` of the server
   * @param {{token?: () => string | null, around?: Partial<Surroundings>}} [options]
   */
  constructor(source, url, { token = () => null, around = {} } = {}) {
    this.#source = source;
    this.#url = String(url);
    this.#token = token;
    this.#around = { ...BROWSER, ...around };
    source.addEventListener("hits", this.#answered);
    // The last moment at which a page is sure to be asked: closing, and on a phone putting away.
    globalThis.document?.addEventListener("visibilitychange", this.#left);
  }

  /** Listen no more, and send what is left. */
  stop() {
    this.#source.removeEventListener("hits", this.#answered);
    globalThis.document?.removeEventListener("visibilitychange", this.#left);
    this.flush();
  }

  /** Send what waits, if anything does. It is lost where that fails: old timings are worth no second try. */
  flush() {
    this.#around.clearTimeout(this.#timer);
    this.#timer = null;
    const report = this.#waiting;
    if (Object.keys(report).length === 0) return;
    this.#waiting = {};
    const token = this.#token();
    /** @type {Record<string, string>} */
    const headers = { "content-type": "application/json" };
    if (token !== null) headers.authorization = `Bearer ${token}`;
    // `keepalive` outlives the page as a beacon does, and unlike one it can carry the token.
    const request = { method: "POST", headers, body: JSON.stringify(report), keepalive: true };
    this.#around.fetch(this.#url, request).then(
      ({ status }) => this.#told(status),
      () => {},
    );
  }

  /** @param {number} status */
  #told(status) {
    if (status === 429 || status === 503) this.#every = Math.min(2 * this.#every, LONGEST_EVERY_MS);
    else if (status === 204) this.#every = EVERY_MS;
    // Where a token is asked for, the right one may still come.
    else if (NEVER.includes(status) && (status !== 401 || this.#token() !== null)) this.stop();
  }

  #left = () => {
    if (this.#around.hidden()) this.flush();
  };

  #answered = (/** @type {Event} */ event) => {
    const { keyAt, sentAt, submit, timing } = /** @type {CustomEvent<Answered>} */ (event).detail;
    const { now, hidden } = this.#around;
    const receivedAt = now();
    // After a reconnection nobody's key asked; and a page that nobody sees is not painted.
    if (keyAt === null || hidden()) return;
    if (typeof sentAt === "number") {
      this.#note("round_trip_ms", receivedAt - sentAt);
      if (Number.isFinite(timing?.total)) this.#note("network_ms", receivedAt - sentAt - timing.total / 1000);
    }
    this.#around.afterFrame(() => {
      if (!hidden()) this.#note(submit ? "enter_to_paint_ms" : "key_to_paint_ms", now() - keyAt);
    });
  };

  /**
   * @param {string} kind
   * @param {number} ms
   */
  #note(kind, ms) {
    const values = (this.#waiting[kind] ??= []);
    // The clocks of browsers are coarse: a difference may come out just below nothing.
    values.push(Math.max(0, Math.round(ms * 100) / 100));
    if (values.length >= MAX_VALUES) this.flush();
    else this.#timer ??= this.#around.setTimeout(() => this.flush(), this.#every);
  }
}
