/**
 * One websocket, from dialling to its end: JSON frames, and the timers that notice a connection that is held up, never
 * made, or dead. What the frames mean is up to `conversation.js`.
 * @module
 */

const PROTOCOL = "typeahead.v1";
/** A websocket that is not open after this long may be held up by a proxy. */
const HELD_UP_MS = 2000;
/** After ten seconds in all it is given up. */
const DIAL_MS = 10000 - HELD_UP_MS;
/** The server always answers the last keystroke, so silence for this long means that the connection is dead. */
const SILENCE_MS = 5000;

/**
 * @typedef {object} Listener
 * @property {() => void} opened
 * @property {() => void} heldUp
 * @property {(message: any) => boolean} received gets an object or array; returns whether another answer is due
 * @property {(code: number, reason: string) => void} lost gets the close code, or 0 if this side gave up
 */

/** @typedef {ReturnType<typeof dial>} Socket */

/**
 * @param {string} url
 * @param {import("./types.js").Surroundings} around
 * @param {Listener} on hears nothing more after `close()`
 */
export function dial(url, { WebSocket, clearTimeout, setTimeout }, { opened, heldUp, received, lost }) {
  const socket = new WebSocket(url, PROTOCOL);
  let closed = false;
  /** @type {any} */
  let silenceTimer = null;
  let dialTimer = setTimeout(() => {
    dialTimer = setTimeout(() => lost(0, ""), DIAL_MS);
    heldUp();
  }, HELD_UP_MS);

  /** @param {string} type @param {(event: any) => void} handle */
  const listen = (type, handle) => socket.addEventListener(type, (event) => {
    // A closed socket still reports. By then its session is over.
    if (!closed) handle(event);
  });
  listen("open", () => {
    clearTimeout(dialTimer);
    opened();
  });
  listen("message", ({ data }) => {
    const message = parsed(data);
    if (message === null) return;
    const more = received(message);
    clearTimeout(silenceTimer);
    silenceTimer = null;
    if (more && !closed) expect();
  });
  listen("close", ({ code, reason }) => lost(code, reason));

  /** An answer is due: without one, the connection counts as lost. */
  function expect() {
    silenceTimer ??= setTimeout(() => lost(0, ""), SILENCE_MS);
  }

  return {
    expect,
    send: (/** @type {object} */ message) => socket.send(JSON.stringify(message)),
    close() {
      closed = true;
      clearTimeout(dialTimer);
      clearTimeout(silenceTimer);
      socket.close();
    },
  };
}

/**
 * @param {unknown} data
 * @returns {any} null for what is no message
 */
function parsed(data) {
  try {
    const message = typeof data === "string" ? JSON.parse(data) : null;
    return typeof message === "object" ? message : null;
  } catch {
    return null;
  }
}
