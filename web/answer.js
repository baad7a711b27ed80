/**
 * Turns a server's message into the `Answer` that pages get. Every field has the documented type, whatever was sent.
 * @module
 */

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {import("./types.js").Facets} Facets */
/** @typedef {import("./types.js").Hit} Hit */

/**
 * @param {any} message
 * @param {import("./types.js").Key} key the keystroke that it answers
 * @param {boolean} [more] whether there may be further hits
 * @returns {Answer}
 */
export function asAnswer(message, key, more = false) {
  const hits = Array.isArray(message.hits) ? message.hits.map(asHit) : [];
  return {
    seq: message.seq,
    text: key.text,
    hits,
    offset: key.offset ?? 0,
    more,
    facets: asFacets(message.facets),
    facetsOver: message.facets_over === "candidates" ? "candidates" : "filter",
    weak: message.weak === true && hits.length > 0,
    stale: message.stale === true,
    partial: message.partial === true,
    submit: key.submit,
    ready: message.ready === true,
    keyAt: key.keyAt,
    sentAt: key.sentAt ?? null,
    timing: typeof message.timing_us === "object" && message.timing_us !== null ? message.timing_us : {},
  };
}

/**
 * @param {any} value
 * @returns {Facets | null}
 */
function asFacets(value) {
  if (typeof value !== "object" || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([field, found]) => {
    const values = Array.isArray(found?.values) ? found.values : [];
    const counted = values.filter((/** @type {any} */ one) => ["string", "number", "boolean"].includes(typeof one?.value));
    return [field, {
      values: counted.map((/** @type {any} */ one) => ({ value: one.value, count: Number(one.count) || 0 })),
      more: found?.more === true,
    }];
  }));
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
    ...(typeof value?.index === "string" ? { index: value.index } : {}),
  };
}
