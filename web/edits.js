/**
 * The difference between two texts as one edit, in code points: what goes over the wire instead of the whole text.
 * `client.js` decides which of the two is sent. JavaScript counts UTF-16 units, the wire counts code points, and
 * this is the only module that knows both.
 * @module
 */

/**
 * Replace `del` code points from position `at` by `ins`.
 * @typedef {{at: number, del: number, ins: string}} Edit
 */

/**
 * The text with each lone surrogate replaced by U+FFFD. Half of a pair stands in a field for a moment while some
 * input methods work; it has no UTF-8 form, so it must never reach the socket.
 * @param {string} text
 * @returns {string}
 */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/**
 * Whether the text has more than `limit` code points; does not walk a text that is far beyond it.
 * @param {string} text
 * @param {number} limit
 * @returns {boolean}
 */
export function longerThan(text, limit) {
  return text.length > limit && (text.length > 2 * limit || [...text].length > limit);
}

/**
 * The one edit that turns `before` into `after`: what lies between their common prefix and their common suffix.
 * @param {string} before
 * @param {string} after
 * @returns {Edit}
 */
export function difference(before, after) {
  const old = [...before];
  const now = [...after];
  const shorter = Math.min(old.length, now.length);
  let at = 0;
  while (at < shorter && old[at] === now[at]) at += 1;
  let tail = 0;
  while (tail < shorter - at && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  return { at, del: old.length - at - tail, ins: now.slice(at, now.length - tail).join("") };
}

/**
 * The text after the edit.
 * @param {string} text
 * @param {Edit} edit
 * @returns {string}
 */
export function applyEdit(text, edit) {
  const points = [...text];
  points.splice(edit.at, edit.del, ...edit.ins);
  return points.join("");
}
