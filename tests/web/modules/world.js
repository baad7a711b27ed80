/**
 * What the client's tests put round it: time, sockets and HTTP in a test's hands.
 * @module
 */

import { TypeaheadClient } from "../client.js";

/** A clock that moves when told to, timers on it, and sockets that a test opens, fills and cuts. */
export class World {
  constructor() {
    this.time = 0;
    /** @type {{at: number, callback: () => void}[]} */
    this.timers = [];
    /** @type {any[]} */
    this.sockets = [];
    this.isOnline = true;
    this.isHidden = false;
    /** Searches over HTTP that wait for an answer. @type {any[]} */
    this.asked = [];
    const world = this;
    this.around = {
      WebSocket: class extends EventTarget {
        constructor(/** @type {string} */ url, /** @type {string} */ protocol) {
          super();
          Object.assign(this, { url, protocol, sent: [], closed: false });
          world.sockets.push(this);
        }
        send(/** @type {string} */ data) { this.sent.push(JSON.parse(data)); }
        close() { this.closed = true; }
      },
      fetch: (url, init) => new Promise((resolve, reject) => {
        this.asked.push({ url, init, query: JSON.parse(init.body), resolve, reject });
        init.signal.addEventListener("abort", () => reject(init.signal.reason));
      }),
      setTimeout: (callback, ms) => {
        const timer = { at: this.time + ms, callback };
        this.timers.push(timer);
        return timer;
      },
      clearTimeout: (timer) => { this.timers = this.timers.filter((other) => other !== timer); },
      now: () => this.time,
      random: () => 1,
      online: () => this.isOnline,
      hidden: () => this.isHidden,
    };
  }

  get socket() { return this.sockets[this.sockets.length - 1]; }

  /** The messages on the newest socket, without its hello. */
  get sent() { return this.socket.sent.slice(1); }

  open() { this.socket.dispatchEvent(new Event("open")); }
  cut(code = 1006, reason = "") { this.socket.dispatchEvent(Object.assign(new Event("close"), { code, reason })); }
  say(message) { this.socket.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) })); }

  /** Answer the oldest search over HTTP, and let what waits for it go on. */
  async reply(body, status = 200) {
    const json = async () => (typeof body === "string" ? JSON.parse(body) : body);
    this.asked.shift().resolve({ ok: status < 300, status, json });
    await settled();
  }

  /** Let the oldest search over HTTP find no server. */
  async fail() {
    this.asked.shift().reject(new TypeError("Failed to fetch"));
    await settled();
  }

  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.time = due.at;
      due.callback();
    }
    this.time = end;
  }
}

/** A client in a world, connected unless told otherwise, and what it has reported. */
export function start({ open = true, hello = { k: 8 }, index = undefined } = {}) {
  const world = new World();
  const client = new TypeaheadClient("ws://test/v1/type", { hello, index, around: world.around });
  const seen = { hits: [], states: [], problems: [] };
  client.addEventListener("hits", (event) => seen.hits.push(event.detail));
  client.addEventListener("statechange", (event) => seen.states.push(event.detail));
  client.addEventListener("problem", (event) => seen.problems.push(event.detail.code));
  client.connect();
  if (open) world.open();
  return { world, client, seen };
}

/** Wait until all promises that are settled have been dealt with. */
export function settled() {
  return new Promise((resolve) => { setTimeout(resolve); });
}
