/**
 * One search over HTTP, `POST /v1/search`: what `client.js` does where something between here and the server lets no
 * websocket through.
 * @module
 */

/** An answer that says no: asking again would not help. */
export class Refusal extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * The search's address beside that of the websocket: `/v1/search` for `/v1/type`.
 * @param {string} url
 */
export function searchAddress(url) {
  const address = new URL("search", url);
  address.protocol = address.protocol.replace("ws", "http");
  return address.href;
}

/**
 * Throws a `Refusal`, or anything else where there was no answer.
 * @param {import("./types.js").Surroundings["fetch"]} fetch
 * @param {string} url
 * @param {{query: string, k: unknown, token: unknown}} wish
 * @param {AbortSignal} signal
 * @returns {Promise<{hits: unknown, timing_us: unknown}>}
 */
export async function search(fetch, url, { query, k, token }, signal) {
  const reply = await fetch(url, {
    method: "POST",
    // No cookies: the token is all that the server asks for.
    credentials: "omit",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify(k === undefined ? { query } : { query, k }),
    signal,
  });
  const body = await reply.json();
  if (reply.ok && Array.isArray(body?.hits)) return body;
  // A proxy's own pages are no JSON, and a server that is busy or not there yet is asked again.
  if (reply.status === 429 || reply.status >= 500 || !body?.error) throw new Error(String(reply.status));
  throw new Refusal(reply.status === 401 ? "unauthorized" : String(body.error.code ?? "error"), String(body.error.message));
}
