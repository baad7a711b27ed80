/**
 * Search as you type, without a DOM: text goes in, hits come out in the order of the keystrokes. `search-box.js` is
 * the visible part. The connection may die at any time: the client dials again and sends the whole text, since the
 * server remembers nothing else that matters. Until then, or where no websocket gets through at all, it searches over
 * HTTP. This module decides which of the two is used, and when to dial.
 * @module
 */

import { Backoff } from "./backoff.js";
import { createConversation } from "./conversation.js";
import { createFallback } from "./fallback.js";
import { beside } from "./http.js";
import { Query } from "./query.js";
import { dial } from "./socket.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Key} Key */
/** @typedef {import("./types.js").Surroundings} Surroundings */

/** @type {Surroundings} */
const BROWSER = {
  WebSocket: globalThis.WebSocket,
  fetch: (url, init) => globalThis.fetch(url, init),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  now: () => performance.now(),
  random: Math.random,
  online: () => globalThis.navigator?.onLine !== false,
  hidden: () => globalThis.document?.visibilityState === "hidden",
};

/** The close code for a bad origin or token. Asking again would change nothing. */
const POLICY_VIOLATION = 1008;
/** The server closes an idle connection with this code. */
const NORMAL_CLOSE = 1000;
/** The close code of a server that restarts. */
const SERVICE_RESTART = 1012;
/** States in which the websocket is tried again from time to time. */
const RETRYING = ["waiting", "offline", "http"];

/** Events, each with its `detail`: `hits` (`Answer`), `statechange` (`State`), `welcome` and `problem` (`Problem`). */
export class TypeaheadClient extends EventTarget {
  #url;
  #hello;
  #around;
  #query;
  #backoff;
  #conversation;
  /** Null if the page wants no HTTP. @type {import("./fallback.js").Fallback | null} */
  #fallback = null;

  /** @type {State} */
  #state = "closed";
  /** @type {import("./socket.js").Socket | null} */
  #socket = null;
  #wanted = false;
  #openedAt = 0;
  /** @type {any} */
  #retryTimer = null;

  /**
   * @param {string | URL} url ws or wss
   * @param {{http?: string | null, index?: string, hello?: Record<string, unknown>, maxChars?: number,
   *   WebSocket?: Surroundings["WebSocket"], around?: Partial<Surroundings>}} [options] `http` is where to search without a websocket: by default `search`
   *   beside `url`, null for never. `index` names the index on the server, or several with commas. `hello` is the first
   *   message on each connection. `maxChars` is the server's limit in code points until it says. `WebSocket` is a class
   *   for where there is none, such as Node 20: that of the package `ws` will do.
   */
  constructor(url, { http, index, hello: { filter = null, ...hello } = {}, maxChars = 512, WebSocket, around = {} } = {}) {
    super();
    const address = new URL(url, globalThis.document?.baseURI);
    if (index) address.searchParams.set("index", index);
    this.#url = index ? address.href : String(url);
    this.#hello = hello;
    this.#around = { ...BROWSER, ...(WebSocket ? { WebSocket } : {}), ...around };
    this.#backoff = new Backoff(this.#around.random);
    const faceted = Array.isArray(hello.facets) && hello.facets.length > 0;
    this.#query = new Query(maxChars, (event, detail) => this.#emit(event, detail), faceted);
    this.#query.k = Number(hello.k) || this.#query.k;
    if (filter !== null) this.#query.filterBy(filter, this.#around.now());
    this.#conversation = createConversation(this.#query, this.#around, () => this.#backoff.succeeded());
    if (http === null) return;
    const name = address.searchParams.get("index") ?? undefined;
    this.#fallback = createFallback(http ?? beside(this.#url, "search"), name, this.#query, this.#around, {
      hello: () => this.#hello,
      works: () => {
        if (this.#state === "http") return;
        this.#become("http");
        // If only the server was away, its websocket is back as well.
        this.#retry();
      },
      fails: () => {
        if (this.#state !== "http") return;
        this.#wait();
        this.#retry();
      },
      refused: () => {
        this.#hangUp();
        this.#become("refused");
      },
      again: () => this.#askSoon(),
    });
  }

  get state() {
    return this.#state;
  }

  get text() {
    return this.#query.text;
  }

  /** Which documents count; null for all. @returns {import("./types.js").Filter | null} */
  get filter() {
    return this.#query.filter;
  }

  /**
   * The text is searched again at once, and no answer of the old filter is reported any more. Anything but an object
   * or null is a mistake: then nothing is searched, and `barred` says so.
   */
  set filter(filter) {
    this.filterBy(filter);
  }

  /** The same. @param {unknown} filter @returns {boolean} whether it is another filter */
  filterBy(filter) {
    if (!this.#query.filterBy(filter, this.#around.now())) return false;
    if (this.#state === "open" && this.#conversation.needsHello()) this.#redial();
    else if (this.#query.open) this.#flush();
    return true;
  }

  /** Why nothing is searched until there is another filter; null if all is well. */
  get barred() {
    return this.#query.barred;
  }

  /** Whether a keystroke still waits for its answer. */
  get busy() {
    return this.#conversation.busy() || this.#query.open;
  }

  /**
   * Goes into the hello, never into the address, which ends up in logs. A connection without it is replaced.
   * @param {string | null} token
   */
  set token(token) {
    this.#hello = { ...this.#hello, token: token ?? undefined };
    if (this.#state === "open" || this.#state === "refused") this.#redial();
  }

  /** Connect, and stay connected until `close()`. Throws where there is no `WebSocket`. */
  connect() {
    if (this.#socket !== null) return;
    if (typeof this.#around.WebSocket !== "function") {
      throw new Error("no WebSocket here: pass one, as { WebSocket }");
    }
    if (!this.#wanted) {
      this.#wanted = true;
      globalThis.addEventListener?.("online", this.#wake);
      globalThis.addEventListener?.("offline", this.#offline);
      globalThis.document?.addEventListener("visibilitychange", this.#wake);
    }
    this.#dial();
  }

  /** Hang up and stay so. The text is kept for the next `connect()`. */
  close() {
    this.#wanted = false;
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.removeEventListener?.("offline", this.#offline);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#fallback?.stop();
    this.#hangUp();
    this.#become("closed");
  }

  /**
   * Search for this text. It is sent at once, or as soon as there is a connection.
   * @param {string} text
   * @param {number} [keyAt] when the key was pressed
   */
  update(text, keyAt = this.#around.now()) {
    if (this.#query.type(text, keyAt)) this.#flush();
  }

  /**
   * Enter was pressed on the current text.
   * @param {number} [keyAt]
   */
  submit(keyAt = this.#around.now()) {
    this.#query.submitAt = keyAt;
    this.#flush();
  }

  /**
   * Ask for the next page of the newest answer's hits. They come in an answer that has all pages so far.
   * @returns {boolean} false if there is no more, or the text has no answer yet
   */
  more() {
    const query = this.#query;
    if (!query.isFound || !query.found.more || query.wantsMore) return false;
    query.wantsMore = true;
    this.#flush();
    return true;
  }

  #redial() {
    this.#fallback?.stop();
    this.#hangUp();
    this.#dial();
    this.#askSoon();
  }

  #flush() {
    if (this.#state === "asleep") this.#dial();
    if (this.#state === "open") this.#conversation.flush();
    else this.#askSoon();
  }

  #dial() {
    this.#around.clearTimeout(this.#retryTimer);
    // While retrying, the state keeps its name: a label that changed with each attempt would flicker.
    if (!RETRYING.includes(this.#state)) this.#become("connecting");
    this.#socket = dial(this.#url, this.#around, {
      opened: () => this.#opened(),
      heldUp: () => {
        this.#backoff.blocked = true;
        this.#askSoon();
      },
      received: (message) => this.#conversation.received(message),
      lost: (code, reason) => this.#lost(code, reason),
    });
  }

  #opened() {
    this.#openedAt = this.#around.now();
    this.#fallback?.stop();
    this.#conversation.begin(/** @type {import("./socket.js").Socket} */ (this.#socket), this.#hello);
    this.#become("open");
    this.#flush();
  }

  /**
   * @param {number} code the close code; 0 if this side gave up
   * @param {string} reason the server's
   */
  #lost(code, reason) {
    if (this.#state === "open") this.#backoff.lasted(this.#around.now() - this.#openedAt);
    const idle = code === NORMAL_CLOSE && !this.busy;
    const expired = code === POLICY_VIOLATION && this.#conversation.greeted();
    this.#hangUp();
    if (idle || code === POLICY_VIOLATION) {
      this.#become(idle ? "asleep" : "refused");
      // A token that was good is so no longer. One that never was has been reported by a message.
      if (expired) this.#query.report({ code: "unauthorized", message: reason || "The access has expired." });
      return;
    }
    const wait = this.#backoff.failed(this.#state === "http", code === SERVICE_RESTART);
    this.#retryTimer = this.#around.setTimeout(() => this.#retry(), wait);
    if (this.#state !== "http") this.#wait();
    this.#askSoon();
  }

  #wait() {
    this.#become(this.#around.online() ? "waiting" : "offline");
  }

  #retry() {
    // A page in the background waits for `visibilitychange`: nobody is looking.
    if (this.#wanted && this.#socket === null && !this.#around.hidden()) this.#dial();
  }

  #wake = () => {
    if (RETRYING.includes(this.#state)) this.#retry();
  };

  #offline = () => {
    // No reason to hang up: a server on this machine is still there. Only the label changes.
    if (this.#state === "waiting") this.#become("offline");
  };

  #hangUp() {
    this.#around.clearTimeout(this.#retryTimer);
    this.#conversation.end();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** Search over HTTP if the websocket does not get through. */
  #askSoon() {
    if (!this.#wanted || !this.#backoff.blocked || this.#state === "open" || this.#state === "refused") return;
    this.#fallback?.askSoon(this.#state === "http");
  }

  /** @param {State} state */
  #become(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#emit("statechange", state);
  }

  /**
   * @param {string} name
   * @param {unknown} detail
   */
  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
