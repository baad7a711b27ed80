/**
 * One person's typing over the websocket `typeahead.v1`: text in, hits out, in the order of the keys. Knows no DOM;
 * `search-box.js` is the part that people see. The connection may die at any time: the client dials again and sends
 * the whole text, since the server keeps nothing that the text does not say. Meanwhile, or where no websocket comes
 * through at all, it asks over HTTP, one search at a time.
 * @module
 */

import { difference, longerThan, wellFormed } from "./edits.js";
import { Refusal, search, searchAddress } from "./http.js";

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

const PROTOCOL = "typeahead.v1";
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8000;
/** The same while HTTP answers: nobody waits for the websocket. */
const LAST_HTTP_RETRY_MS = 30000;
/** A websocket that is not there after this long may be held up by a proxy. */
const HELD_UP_MS = 2000;
/** Over HTTP a key costs a request, so it waits for the next one this long. */
const PAUSE_MS = 120;
/** A connection that lasted this long was good: the next failure starts the back-off anew. */
const STEADY_MS = 10000;
/** The server answers the last keystroke always. Silence for this long means that the connection is dead. */
const SILENCE_MS = 5000;
const DIAL_MS = 10000 - HELD_UP_MS;
/** After this long, or up to half as long again, an overloaded server is asked again. */
const TURNED_AWAY_MS = 600;
/** Replies awaited at once; a server that skips keys answers a later one, which settles all before it. */
const MAX_PENDING = 256;
/** The policy close code: bad origin, bad token. Asking again would change nothing. */
const POLICY_VIOLATION = 1008;
/** The server's end of an idle time. */
const NORMAL_CLOSE = 1000;

/** Events, with what is in their `detail`: `hits` (`Answer`), `statechange` (`State`), `welcome`, `problem`. */
export class TypeaheadClient extends EventTarget {
  #url;
  #http;
  #hello;
  #maxChars;
  #around;

  /** @type {State} */
  #state = "closed";
  /** @type {WebSocket | null} */
  #socket = null;
  #wanted = false;
  #failures = 0;
  #openedAt = 0;
  /** @type {any} */
  #retryTimer = null;
  /** @type {any} */
  #silenceTimer = null;
  /** @type {any} */
  #againTimer = null;

  /** Whether websockets failed so often, or take so long, that HTTP is worth a try. */
  #blocked = false;
  /** The search that is under way over HTTP. @type {AbortController | null} */
  #asking = null;
  /** @type {any} */
  #askTimer = null;
  /** The newest answer, and its text. @type {{text: string, message: any}} */
  #found = { text: "", message: {} };

  #text = "";
  /** When the key came that made the text; null once it is answered. @type {number | null} */
  #keyAt = null;
  /** The time of an Enter that has not been sent yet. @type {number | null} */
  #submitAt = null;
  /** The text that the server has; null: unknown, so the whole text goes next. @type {string | null} */
  #sent = null;
  /** The text that was refused, here or by the server, and so has no answer. @type {string | null} */
  #refused = null;
  #seq = 0;
  /** Keys sent and not yet answered, oldest first. @type {Map<number, Key>} */
  #pending = new Map();

  /**
   * @param {string | URL} url ws or wss
   * @param {{http?: string | null, hello?: Record<string, unknown>, maxChars?: number, around?: Partial<Surroundings>}}
   *   [options] `http` is where to search without a websocket, `search` beside `url` by default, null for never;
   *   `hello` is sent first on each connection; `maxChars` is the server's limit in code points until it tells.
   */
  constructor(url, { http, hello = {}, maxChars = 512, around = {} } = {}) {
    super();
    this.#url = String(url);
    this.#http = http === undefined ? searchAddress(this.#url) : http;
    this.#hello = hello;
    this.#maxChars = maxChars;
    this.#around = { ...BROWSER, ...around };
  }

  get state() {
    return this.#state;
  }

  get text() {
    return this.#text;
  }

  /** Whether a key still waits for its answer. */
  get busy() {
    if (this.#submitAt !== null || this.#pending.size > 0) return true;
    return this.#text !== this.#found.text && this.#text !== this.#refused;
  }

  /**
   * Goes into the hello, never into the address, which ends up in logs. A connection whose hello went without it is
   * made anew.
   * @param {string | null} token
   */
  set token(token) {
    this.#hello = { ...this.#hello, token: token ?? undefined };
    if (this.#state !== "open" && this.#state !== "refused") return;
    this.#stopAsking();
    this.#hangUp();
    this.#dial();
    this.#askSoon();
  }

  /** Connect, and stay connected until `close()`. */
  connect() {
    if (this.#socket !== null) return;
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
    this.#stopAsking();
    this.#hangUp();
    this.#become("closed");
  }

  /**
   * The text is now this. Sent at once, or as soon as there is a connection.
   * @param {string} text
   * @param {number} [keyAt] when the key was pressed
   */
  update(text, keyAt = this.#around.now()) {
    const clean = wellFormed(text);
    if (clean === this.#text) return;
    this.#text = clean;
    this.#keyAt = keyAt;
    this.#submitAt = null;
    this.#flush();
  }

  /**
   * Enter was pressed on the present text.
   * @param {number} [keyAt]
   */
  submit(keyAt = this.#around.now()) {
    this.#submitAt = keyAt;
    this.#flush();
  }

  #flush() {
    if (this.#state === "asleep") this.#dial();
    if (this.#state !== "open") {
      this.#askSoon();
      return;
    }
    if (this.#text !== (this.#sent ?? "") && !this.#sendText()) return;
    if (this.#submitAt !== null) {
      this.#send({ submit: true }, { text: this.#text, keyAt: this.#submitAt, edit: false, submit: true });
      this.#submitAt = null;
    }
  }

  /** @returns {boolean} false where the text is too long to send */
  #sendText() {
    if (this.#tooLong()) return false;
    const edit = this.#sent === null ? null : difference(this.#sent, this.#text);
    const shorter = edit !== null && edit.ins.length + 16 < this.#text.length;
    const key = { text: this.#text, keyAt: this.#keyAt, edit: shorter, submit: false };
    this.#send(shorter ? { edit } : { text: this.#text }, key);
    this.#sent = this.#text;
    this.#refused = null;
    return true;
  }

  #tooLong() {
    if (!longerThan(this.#text, this.#maxChars)) return false;
    this.#refuse({ code: "text_too_long", message: `Too long: at most ${this.#maxChars} characters.` });
    return true;
  }

  /** The present text has no answer, and is not asked about again. @param {any} error */
  #refuse(error) {
    this.#submitAt = null;
    this.#refused = this.#text;
    this.#report(error);
  }

  /** @param {any} error */
  #report(error) {
    this.#emit("problem", { code: String(error.code ?? "error"), message: String(error.message ?? "") });
  }

  /**
   * @param {object} message
   * @param {Key} key
   */
  #send(message, key) {
    this.#seq += 1;
    this.#pending.set(this.#seq, { ...key, sentAt: this.#around.now() });
    if (this.#pending.size > MAX_PENDING) this.#pending.delete(this.#pending.keys().next().value ?? 0);
    this.#socket?.send(JSON.stringify({ seq: this.#seq, ...message }));
    if (this.#silenceTimer === null) this.#watch();
  }

  #dial() {
    const around = this.#around;
    around.clearTimeout(this.#retryTimer);
    // A wait goes on under its own name until it is over: a label that changed with each attempt would flicker.
    if (!["waiting", "offline", "http"].includes(this.#state)) this.#become("connecting");
    const socket = new around.WebSocket(this.#url, PROTOCOL);
    this.#socket = socket;
    const mine = (/** @type {(event: any) => void} */ handle) => (/** @type {any} */ event) => {
      // A socket that was given up still reports; what it says is about a session that is over.
      if (socket === this.#socket) handle(event);
    };
    socket.addEventListener("open", mine(() => this.#opened()));
    socket.addEventListener("message", mine((event) => this.#received(event.data)));
    socket.addEventListener("close", mine((event) => this.#lost(event.code)));
    this.#retryTimer = around.setTimeout(() => {
      this.#retryTimer = around.setTimeout(() => this.#lost(0), DIAL_MS);
      this.#blocked = true;
      this.#askSoon();
    }, HELD_UP_MS);
  }

  #opened() {
    this.#around.clearTimeout(this.#retryTimer);
    this.#openedAt = this.#around.now();
    this.#stopAsking();
    this.#sent = null;
    this.#socket?.send(JSON.stringify({ hello: this.#hello }));
    this.#become("open");
    this.#flush();
  }

  /** @param {number} code the close code; 0 where this side gave up */
  #lost(code) {
    const steady = this.#state === "open" && this.#around.now() - this.#openedAt > STEADY_MS;
    if (steady) this.#failures = 0;
    const idle = code === NORMAL_CLOSE && !this.busy;
    this.#hangUp();
    if (idle || code === POLICY_VIOLATION) {
      this.#become(idle ? "asleep" : "refused");
      return;
    }
    // Half of the delay is chance: a server that comes back must not meet all its clients in one instant.
    const last = this.#state === "http" ? LAST_HTTP_RETRY_MS : LAST_RETRY_MS;
    const ceiling = Math.min(last, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#blocked ||= this.#failures > 1;
    this.#retryTimer = this.#around.setTimeout(() => this.#retry(), ceiling * (0.5 + 0.5 * this.#around.random()));
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
    if (["waiting", "offline", "http"].includes(this.#state)) this.#retry();
  };

  #offline = () => {
    // Not a reason to hang up: a server on this machine is still there. Only the name of the wait changes.
    if (this.#state === "waiting") this.#become("offline");
  };

  #hangUp() {
    this.#around.clearTimeout(this.#retryTimer);
    this.#around.clearTimeout(this.#silenceTimer);
    this.#around.clearTimeout(this.#againTimer);
    this.#silenceTimer = null;
    this.#forgetPending();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  /** The answers awaited will not come, or not be wanted; an Enter among them is asked again with the text. */
  #forgetPending() {
    for (const key of this.#pending.values()) {
      if (key.submit && key.text === this.#text) this.#submitAt = key.keyAt;
    }
    this.#pending.clear();
  }

  #watch() {
    this.#around.clearTimeout(this.#silenceTimer);
    this.#silenceTimer = this.#pending.size > 0 ? this.#around.setTimeout(() => this.#lost(0), SILENCE_MS) : null;
  }

  /** @param {unknown} data */
  #received(data) {
    /** @type {any} */
    let message;
    try {
      message = typeof data === "string" ? JSON.parse(data) : null;
    } catch {
      return;
    }
    if (typeof message !== "object" || message === null) return;
    if (message.error) this.#refusedKey(message.seq, message.error);
    else if (message.hello) this.#welcomed(message.hello);
    else this.#answered(message);
    this.#watch();
  }

  /** @param {any} hello */
  #welcomed(hello) {
    if (Number.isInteger(hello.max_chars)) this.#maxChars = hello.max_chars;
    this.#emit("welcome", hello);
  }

  /** @param {any} message */
  #answered(message) {
    const key = this.#pending.get(message.seq);
    // Answered already, overtaken by a later answer, or built on a text that the server refused.
    if (key === undefined) return;
    for (const seq of this.#pending.keys()) {
      if (seq <= message.seq) this.#pending.delete(seq);
    }
    this.#failures = 0;
    this.#blocked = false;
    if (key.text === this.#text && !key.submit) this.#keyAt = null;
    this.#answer(message, key);
  }

  /**
   * @param {any} message
   * @param {Key} key
   */
  #answer(message, key) {
    this.#found = { text: key.text, message };
    this.#emit("hits", {
      seq: message.seq,
      text: key.text,
      hits: Array.isArray(message.hits) ? message.hits.map(asHit) : [],
      submit: key.submit,
      ready: message.ready === true,
      keyAt: key.keyAt,
      sentAt: key.sentAt ?? null,
      timing: typeof message.timing_us === "object" && message.timing_us !== null ? message.timing_us : {},
    });
  }

  /** Without a websocket: ask over HTTP about what has no answer yet, when the typing pauses. */
  #askSoon() {
    if (this.#http === null || !this.#wanted || !this.#blocked || this.#state === "open" || this.#state === "refused") return;
    this.#around.clearTimeout(this.#askTimer);
    if (!this.busy) return;
    const pause = this.#submitAt === null && this.#state === "http" ? PAUSE_MS : 0;
    this.#askTimer = this.#around.setTimeout(() => void this.#ask(), pause);
  }

  async #ask() {
    // One search at a time: on a slow line the next one then asks about all that was typed meanwhile.
    if (this.#http === null || this.#asking !== null || !this.busy) return;
    const text = this.#text;
    const keyAt = this.#keyAt;
    const sentAt = this.#around.now();
    const ready = this.#found.text === text;
    let { message } = this.#found;
    if (!ready) {
      if (this.#tooLong()) return;
      const asking = new AbortController();
      this.#asking = asking;
      const timer = this.#around.setTimeout(() => asking.abort(), SILENCE_MS);
      try {
        const wish = { query: text, k: this.#hello.k, token: this.#hello.token };
        message = text.trim() === "" ? {} : await search(this.#around.fetch, this.#http, wish, asking.signal);
      } catch (error) {
        if (asking === this.#asking) this.#unanswered(text, error);
        return;
      } finally {
        this.#around.clearTimeout(timer);
      }
      if (asking !== this.#asking) return;
      this.#asking = null;
      if (this.#state !== "http") {
        this.#become("http");
        // Where the server was only away, its websocket is back as well.
        this.#retry();
      }
    }
    const enter = text === this.#text ? this.#submitAt : null;
    if (enter !== null) this.#submitAt = null;
    if (text === this.#text) this.#keyAt = null;
    this.#seq += 1;
    const key = { text, keyAt: enter ?? keyAt, sentAt, edit: false, submit: enter !== null };
    this.#answer({ ...message, seq: this.#seq, ready }, key);
    this.#askSoon();
  }

  /**
   * @param {string} text
   * @param {unknown} error
   */
  #unanswered(text, error) {
    this.#asking = null;
    if (!(error instanceof Refusal)) {
      if (this.#state !== "http") return;
      this.#wait();
      this.#retry();
    } else if (error.code === "unauthorized") {
      this.#hangUp();
      this.#become("refused");
      this.#report(error);
    } else if (text === this.#text) {
      this.#refuse(error);
    } else {
      this.#askSoon();
    }
  }

  #stopAsking() {
    this.#around.clearTimeout(this.#askTimer);
    this.#asking?.abort();
    this.#asking = null;
  }

  /**
   * The server refused a key and kept the text that it had before, so all keys sent since stand on a text that it
   * does not have: their answers are not wanted. The whole text mends that, unless it is what was refused.
   * @param {unknown} seq
   * @param {any} error
   */
  #refusedKey(seq, error) {
    const key = typeof seq === "number" ? this.#pending.get(seq) : undefined;
    if (key === undefined && typeof seq === "number") return;
    if (key !== undefined && error.code === "overloaded") {
      this.#turnedAway(/** @type {number} */ (seq), key);
      return;
    }
    if (key !== undefined && !key.submit) {
      this.#forgetPending();
      this.#sent = null;
      if (key.edit || key.text !== this.#text) {
        this.#flush();
        return;
      }
      this.#refuse(error);
      return;
    }
    this.#report(error);
  }

  /**
   * The server had too much to do for a key. It has the text, so the next key stands on it; if none comes, ask again.
   * @param {number} seq
   * @param {Key} key
   */
  #turnedAway(seq, key) {
    for (const other of this.#pending.keys()) {
      if (other <= seq) this.#pending.delete(other);
    }
    this.#around.clearTimeout(this.#againTimer);
    this.#againTimer = this.#around.setTimeout(() => {
      if (key.text !== this.#text || this.#pending.size > 0) return;
      this.#sent = null;
      this.#flush();
    }, TURNED_AWAY_MS * (0.5 + this.#around.random()));
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

/**
 * A hit of the expected shape, whatever came.
 * @param {any} value
 * @returns {import("./types.js").Hit}
 */
function asHit(value) {
  const text = (/** @type {unknown} */ part) => (typeof part === "string" ? part : "");
  const spans = (/** @type {unknown} */ part) => (Array.isArray(part) ? /** @type {any} */ (part.filter(Array.isArray)) : []);
  return {
    id: String(value?.id ?? ""),
    score: Number(value?.score ?? 0),
    title: text(value?.title),
    text: text(value?.text),
    url: text(value?.url),
    marks: { title: spans(value?.marks?.title), text: spans(value?.marks?.text) },
  };
}
