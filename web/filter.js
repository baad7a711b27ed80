/**
 * Filters as pages write them: in an attribute, in a property, or by choosing values of facets. The server says what a
 * filter means; this module only keeps one from getting lost on the way.
 * @module
 */

/** @typedef {import("./types.js").Filter} Filter */
/** @typedef {import("./types.js").Value} Value */

/**
 * A filter as JSON. JSON leaves out what is undefined and turns NaN into null. A filter must not lose a condition that
 * way: it would find more than the page allows.
 * @param {unknown} filter
 * @returns {string | null} null if this is no filter
 */
export function filterJson(filter) {
  if (typeof filter !== "object" || filter === null || Array.isArray(filter)) return null;
  try {
    return JSON.stringify(filter, (_, value) => {
      if (!["string", "boolean", "object"].includes(typeof value) && !Number.isFinite(value)) throw new TypeError();
      return value;
    });
  } catch {
    return null;
  }
}

/**
 * The filter in an attribute.
 * @param {string | null} text
 * @returns {unknown} null without the attribute, and undefined if its text is not JSON
 */
export function parsed(text) {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The names in an attribute: `country, tags`, or a JSON array.
 * @param {string | null} text
 * @returns {string[]}
 */
export function names(text) {
  const list = parsed(text);
  const found = Array.isArray(list) ? list : (text ?? "").split(",");
  return [...new Set(found.map((name) => String(name).trim()).filter((name) => name !== ""))];
}

/**
 * The page's filter and the user's choice: both hold.
 * @param {Filter | null} page
 * @param {Record<string, Value[]>} chosen by field; any of its values will do
 * @returns {Filter | null}
 */
export function joined(page, chosen) {
  if (Object.keys(chosen).length === 0) return page;
  if (page === null) return chosen;
  const clash = Object.keys(chosen).some((field) => Object.hasOwn(page, field));
  return clash ? { any: [page], ...chosen } : { ...page, ...chosen };
}
