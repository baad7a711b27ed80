/**
 * Asks the server for its state once a second, as long as the page is visible. Needs nothing else of the DOM.
 * @module
 */

/** @typedef {import("./history.js").Answer} Answer */

/** `paused` by the visitor, `hidden` behind another page, `away` while no answer comes, `unauthorized` if a token is needed. @typedef {"live" | "paused" | "hidden" | "away" | "unauthorized"} State */

/**
 * What this module needs from the browser. Tests bring their own.
 * @typedef {object} Surroundings
 * @property {(url: string, request: RequestInit) => Promise<Response>} fetch
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => boolean} hidden
 */

const EVERY_MS = 1000;
/** While the server is away. */
const RETRY_MS = 3000;
const PATIENCE_MS = 5000;

/** @type {Surroundings} */
const BROWSER = {
  fetch: (url, request) => globalThis.fetch(url, request),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  hidden: () => document.visibilityState === "hidden",
};

/** Events: `answer` (an `Answer` in `detail`), `statechange`. */
export class Poller extends EventTarget {
  /** @type {State} */
  state = "away";
  /** @type {string | null} */
  #token;
  #url;
  #around;
  #paused = false;
  #asking = false;
  /** @type {any} */
  #timer = null;

  /**
   * @param {string} url
   * @param {{token?: string | null, around?: Partial<Surroundings>}} [options]
   */
  constructor(url, { token = null, around = {} } = {}) {
    super();
    this.#url = url;
    this.#token = token;
    this.#around = { ...BROWSER, ...around };
  }

  /** @param {string | null} token */
  set token(token) {
    this.#token = token;
    this.wake();
  }

  /** Whether the visitor has paused the page. @param {boolean} paused */
  set paused(paused) {
    this.#paused = paused;
    this.wake();
  }

  get paused() {
    return this.#paused;
  }

  /** Ask now and keep asking; or stop, if the page is paused or hidden. */
  wake() {
    this.#around.clearTimeout(this.#timer);
    if (this.#paused) this.#become("paused");
    else if (this.#around.hidden()) this.#become("hidden");
    else void this.#ask();
  }

  async #ask() {
    // One request at a time: when it is answered, the next one is scheduled.
    if (this.#asking) return;
    this.#asking = true;
    const token = this.#token;
    try {
      const answer = await this.#fetch(token);
      if (this.#paused || this.#around.hidden()) {
        // It came too late to be seen.
      } else if (answer === null) {
        if (token === this.#token) this.#become("unauthorized");
      } else {
        this.#become("live");
        this.dispatchEvent(new CustomEvent("answer", { detail: answer }));
      }
    } catch {
      if (!this.#paused) this.#become("away");
    } finally {
      this.#asking = false;
    }
    this.#later(token);
  }

  /** @param {string | null} token the one last used */
  #later(token) {
    this.#around.clearTimeout(this.#timer);
    if (token !== this.#token || this.#paused || this.#around.hidden()) this.wake();
    else if (this.state !== "unauthorized") this.#timer = this.#around.setTimeout(() => this.wake(), this.state === "live" ? EVERY_MS : RETRY_MS);
  }

  /**
   * @param {string | null} token
   * @returns {Promise<Answer | null>} null if the token is wrong
   */
  async #fetch(token) {
    const asking = new AbortController();
    const timer = this.#around.setTimeout(() => asking.abort(), PATIENCE_MS);
    try {
      /** @type {Record<string, string>} */
      const headers = token === null ? {} : { authorization: `Bearer ${token}` };
      const response = await this.#around.fetch(this.#url, { headers, cache: "no-store", signal: asking.signal });
      if (response.status === 401) return null;
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const answer = await response.json();
      if (answer?.version !== 1) throw new Error("this page is of another version than the server: reload it");
      return answer;
    } finally {
      this.#around.clearTimeout(timer);
    }
  }

  /** @param {State} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("statechange"));
  }
}
