/**
 * Makes documents safe to show, since anyone may have written them: bounded, harmless text and http(s) links only.
 * @module
 */

import { pieces } from "./highlight.js";

/**
 * The text as one line of at most `limit` code points.
 * @param {string} text
 * @param {number} limit
 * @returns {string}
 */
export function oneLine(text, limit) {
  return pieces(text, [], limit).map((piece) => piece.text).join("");
}

/**
 * The address to link to, or null if following it could run a script or lead nowhere.
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
 * How to show an address: host and path of a link, plain text for anything else, such as a file path. The host is
 * parsed, so neither a user name nor a look-alike letter can pass for another site.
 * @param {string} address
 * @returns {string}
 */
export function readableAddress(address) {
  const link = safeLink(address);
  if (link === null) return oneLine(address, 120);
  const url = new URL(link);
  return oneLine(url.host + (url.pathname === "/" ? "" : url.pathname) + url.search + url.hash, 160);
}
