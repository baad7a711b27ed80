/**
 * What may be shown of a document, which anybody may have written: bounded, harmless text and http(s) links only.
 * `highlight.js` then divides that text into pieces; neither ever makes HTML.
 * @module
 */

/** Control characters, and the bidi embeddings, overrides and isolates that reorder the text around them. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]+/g;

/**
 * One line of at most `limit` code points, without control characters and with single spaces. Only the first few
 * thousand characters are looked at, so that a title of a megabyte costs no more than a long one.
 * @param {string} text
 * @param {number} limit
 * @returns {string}
 */
export function oneLine(text, limit) {
  const clean = text.slice(0, 4 * limit).replace(CONTROLS, " ").replace(/\s+/g, " ").trim();
  if (clean.length <= limit && text.length <= 4 * limit) return clean;
  const points = [...clean];
  return points.length <= limit && text.length <= 4 * limit ? clean : `${points.slice(0, limit - 1).join("").trimEnd()}…`;
}

/**
 * The address to link to, or null where following it could run something or lead nowhere.
 * @param {string} address
 * @returns {string | null}
 */
export function safeLink(address) {
  if (address.length > 4096 || !/^https?:\/\//i.test(address)) return null;
  try {
    const url = new URL(address);
    url.username = "";
    url.password = "";
    return url.href;
  } catch {
    return null;
  }
}

/**
 * How an address is shown: host and path for a link, the plain text for anything else (a file's path, say). The host
 * is the parsed one, so neither a user name nor a look-alike letter can pass for another site.
 * @param {string} address
 * @returns {string}
 */
export function readableAddress(address) {
  const link = safeLink(address);
  if (link === null) return oneLine(address, 120);
  const url = new URL(link);
  return oneLine(url.host + (url.pathname === "/" ? "" : url.pathname) + url.search + url.hash, 160);
}
