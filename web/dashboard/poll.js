/**
 * Asks the server once a second how it is, as long as somebody looks. Knows no DOM but whether the page is seen.
 * @module
 */

/** @typedef {import("./history.js").Answer} Answer */

/** `live`, `paused` by its reader, `hidden` behind another page, `away`: no answer comes; `unauthorized`: a token is needed. @typedef {"live" | "paused" | "hidden" | "away" | "unauthorized"} State */

/**
 * What this module needs of its surroundings; tests put their own here.
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

  /** Whether its reader wants the page to stand still. @param {boolean} paused */
  set paused(paused) {
    this.#paused = paused;
    this.wake();
  }

  get paused() {
    return this.#paused;
  }

  /** Ask now, and then again and again; or stop, where nobody looks. */
  wake() {
    this.#around.clearTimeout(this.#timer);
    if (this.#paused) this.#become("paused");
    else if (this.#around.hidden()) this.#become("hidden");
    else void this.#ask();
  }

  async #ask() {
    // One at a time: the answer to the one under way asks again.
    if (this.#asking) return;
    this.#asking = true;
    const token = this.#token;
    try {
      const answer = await this.#fetch(token);
      if (this.#paused || this.#around.hidden()) {
        // It came too late to be looked at.
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

  /** @param {string | null} token what was used last */
  #later(token) {
    this.#around.clearTimeout(this.#timer);
    if (token !== this.#token || this.#paused || this.#around.hidden()) this.wake();
    else if (this.state !== "unauthorized") this.#timer = this.#around.setTimeout(() => this.wake(), this.state === "live" ? EVERY_MS : RETRY_MS);
  }

  /**
   * @param {string | null} token
   * @returns {Promise<Answer | null>} null where the token is not the right one
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
      if (answer?.version !== 1) throw new Error("the server speaks another version");
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
