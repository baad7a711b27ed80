/**
 * What failed attempts to connect teach: how long to wait before the next one, and when to search over HTTP instead.
 * @module
 */

const FIRST_RETRY_MS = 250;
/** A server that restarts says so, and another one may be there already: the first attempt comes within this long. */
const RESTART_MS = 100;
const LAST_RETRY_MS = 8000;
/** The cap while HTTP works: nobody is waiting for the websocket. */
const LAST_HTTP_RETRY_MS = 30000;
/** A connection that lasted this long was good: the next failure starts the back-off over. */
const STEADY_MS = 10000;

export class Backoff {
  #random;
  #failures = 0;
  /** Websockets fail so often, or take so long, that HTTP is worth a try. */
  blocked = false;

  /** @param {() => number} random from 0 to 1 */
  constructor(random) {
    this.#random = random;
  }

  /** A connection was lost after this long. @param {number} ms */
  lasted(ms) {
    if (ms > STEADY_MS) this.#failures = 0;
  }

  /** An answer came through: the connection works. */
  succeeded() {
    this.#failures = 0;
    this.blocked = false;
  }

  /**
   * Count a failure.
   * @param {boolean} overHttp whether HTTP works meanwhile
   * @param {boolean} [restarts] whether the server said that it restarts
   * @returns {number} milliseconds until the next attempt
   */
  failed(overHttp, restarts = false) {
    const first = restarts && this.#failures === 0;
    const ceiling = Math.min(overHttp ? LAST_HTTP_RETRY_MS : LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.blocked ||= this.#failures > 1;
    if (first) return RESTART_MS * this.#random();
    // Half of the delay is random: a server that comes back must not meet all its clients at once.
    return ceiling * (0.5 + 0.5 * this.#random());
  }
}
