/**
 * Turns a server's message into the `Answer` that pages get. Every field has the documented type, whatever was sent.
 * @module
 */

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Hit} Hit */

/**
 * @param {any} message
 * @param {import("./types.js").Key} key the keystroke that it answers
 * @returns {Answer}
 */
export function asAnswer(message, key) {
  const hits = Array.isArray(message.hits) ? message.hits.map(asHit) : [];
  return {
    seq: message.seq,
    text: key.text,
    hits,
    weak: message.weak === true && hits.length > 0,
    submit: key.submit,
    ready: message.ready === true,
    keyAt: key.keyAt,
    sentAt: key.sentAt ?? null,
    timing: typeof message.timing_us === "object" && message.timing_us !== null ? message.timing_us : {},
  };
}

/**
 * @param {any} value
 * @returns {Hit}
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
    copies: Number.isSafeInteger(value?.copies) && value.copies > 1 ? value.copies : 1,
    marks: { title: spans(value?.marks?.title), text: spans(value?.marks?.text) },
  };
}
