/**
 * One search over HTTP, `POST /v1/search`. `fallback.js` decides when to send it.
 * @module
 */

/** The server refused: asking again would not help. */
export class Refusal extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * The HTTP address of this name that belongs to a websocket: `/v1/search` beside `/v1/type`.
 * @param {string | URL} url
 * @param {string} name
 */
export function beside(url, name) {
  const address = new URL(name, url);
  address.protocol = address.protocol.replace("ws", "http");
  return address.href;
}

/**
 * Throws a `Refusal` if the server refused, and any other error if there was no answer.
 * @param {import("./types.js").Surroundings["fetch"]} fetch
 * @param {string} url
 * @param {{token: unknown} & Record<string, unknown>} wish
 * @param {AbortSignal} signal
 * @returns {Promise<{hits: unknown, timing_us: unknown}>}
 */
export async function search(fetch, url, { token, ...wish }, signal) {
  const reply = await fetch(url, {
    method: "POST",
    // The token is all that the server needs, so no cookies.
    credentials: "omit",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    // What is undefined is left out.
    body: JSON.stringify(wish),
    signal,
  });
  const body = await reply.json();
  if (reply.ok && Array.isArray(body?.hits)) return body;
  // A proxy's own page has no `error`. A server that is busy or still starting is asked again.
  if (reply.status === 429 || reply.status >= 500 || !body?.error) throw new Error(String(reply.status));
  throw new Refusal(reply.status === 401 ? "unauthorized" : String(body.error.code ?? "error"), String(body.error.message));
}
