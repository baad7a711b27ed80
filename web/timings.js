/**
 * Reports to the server, in batches, how long users waited: from a key's event to the end of the frame that shows its
 * results, and the round trip. It listens to `hits` events of `TypeaheadClient` or `<typeahead-search>` and needs no
 * DOM. Only numbers are sent, never text: see `typeahead/server/client_timings.py`.
 * @module
 */

/** @typedef {{keyAt: number | null, sentAt?: number | null, submit: boolean, timing: Record<string, number>}} Answered */

/**
 * What this module needs from the browser. Tests bring their own.
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
/** Values of one kind per report. The server accepts a few more. */
const MAX_VALUES = 100;
/** With these answers the server will never take a report from this page. */
const NEVER = [401, 403, 404, 405];

/**
 * Call back after the next frame is painted: a task queued during a frame runs after it.
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

/** Listens until `stop()`. */
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
   * @param {string | URL} url the server's `v1/client-timings`
   * @param {{token?: () => string | null, around?: Partial<Surroundings>}} [options]
   */
  constructor(source, url, { token = () => null, around = {} } = {}) {
    this.#source = source;
    this.#url = String(url);
    this.#token = token;
    this.#around = { ...BROWSER, ...around };
    source.addEventListener("hits", this.#answered);
    // The last event that a page is sure to get, whether it is closed or put away on a phone.
    globalThis.document?.addEventListener("visibilitychange", this.#left);
  }

  /** Stop listening, and send what is left. */
  stop() {
    this.#source.removeEventListener("hits", this.#answered);
    globalThis.document?.removeEventListener("visibilitychange", this.#left);
    this.flush();
  }

  /** Send what has been collected. If that fails it is dropped: old timings are not worth a second try. */
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
    // Like a beacon, `keepalive` outlives the page, but it can carry the token.
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
    // If a token is needed, the right one may still come.
    else if (NEVER.includes(status) && (status !== 401 || this.#token() !== null)) this.stop();
  }

  #left = () => {
    if (this.#around.hidden()) this.flush();
  };

  #answered = (/** @type {Event} */ event) => {
    const { keyAt, sentAt, submit, timing } = /** @type {CustomEvent<Answered>} */ (event).detail;
    const { now, hidden } = this.#around;
    const receivedAt = now();
    // After a reconnection no key was pressed, and a hidden page is not painted.
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
    // Browser clocks are coarse, so a difference can come out slightly negative.
    values.push(Math.max(0, Math.round(ms * 100) / 100));
    if (values.length >= MAX_VALUES) this.flush();
    else this.#timer ??= this.#around.setTimeout(() => this.flush(), this.#every);
  }
}
