/**
 * The difference between two texts as one edit, in code points, to send instead of the whole text.
 * `conversation.js` decides which of the two is sent. JavaScript counts UTF-16 units and the wire counts code points;
 * only this module knows both.
 * @module
 */

/**
 * Replace `del` code points at position `at` with `ins`.
 * @typedef {{at: number, del: number, ins: string}} Edit
 */

/**
 * Replaces each lone surrogate with U+FFFD. Some input methods leave half of a pair in the field for a moment. It has
 * no UTF-8 form, so it must never reach the socket.
 * @param {string} text
 * @returns {string}
 */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/**
 * Whether the text has more than `limit` code points. A text far beyond the limit is not walked.
 * @param {string} text
 * @param {number} limit
 * @returns {boolean}
 */
export function longerThan(text, limit) {
  return text.length > limit && (text.length > 2 * limit || [...text].length > limit);
}

/**
 * The edit that turns `before` into `after`: everything between their common prefix and common suffix.
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
 * Apply an edit.
 * @param {string} text
 * @param {Edit} edit
 * @returns {string}
 */
export function applyEdit(text, edit) {
  const points = [...text];
  points.splice(edit.at, edit.del, ...edit.ins);
  return points.join("");
}
