/**
 * What the same keys would have cost without an incremental encoder: a search box that waits for a pause or for Enter,
 * and then has the whole text encoded by the teacher. Its encoding is what the server measured at its start; search,
 * network and paint are those that these very keys had. Knows no DOM.
 * @module
 */

/** What the server measured: see `typeahead/server/teacher.py`. @typedef {{encoder: string, runs: number, points: [number, number][]}} Teacher */

/** @typedef {import("./keys.js").Key} Key */

/**
 * What became of a key: `wait` for the pause, `encode`, and all the `rest`, in milliseconds; null where nothing was
 * asked, as the next key came before the pause was over. `total` is from the key to its results; that of Enter is
 * negative where they stood before it.
 * @typedef {{wait: number, encode: number, rest: number, total: number} | null} Cost
 */

/** Milliseconds of silence before a search box asks: what such boxes take. */
export const PAUSE = 150;

/**
 * Milliseconds that the teacher takes for a text: between the lengths that were measured on a straight line, beyond
 * them on the last one.
 * @param {Teacher} teacher
 * @param {number} chars code points
 */
export function encoding({ points }, chars) {
  const later = points.findIndex(([length]) => length >= chars);
  if (later === 0 || points.length === 1) return points[0][1] / 1000;
  const at = later < 0 ? points.length - 1 : later;
  const [[fromChars, from], [toChars, to]] = [points[at - 1], points[at]];
  return Math.max(0, from + ((to - from) * (chars - fromChars)) / (toChars - fromChars)) / 1000;
}

/**
 * One for each key, oldest first.
 * @param {Key[]} keys
 * @param {Teacher} teacher
 * @returns {Cost[]}
 */
export function asTeacher(keys, teacher) {
  /** What follows the encoding, as it was for the newest key that had it. */
  let rest = 0;
  /** When the pause after the last text is over, and when its results stand. @type {{asks: number, stands: number}} */
  let running = { asks: Infinity, stands: Infinity };
  return keys.map((key, index) => {
    const encode = encoding(teacher, key.chars);
    if (!key.submit) {
      rest = restOf(key) ?? rest;
      const next = keys[index + 1];
      running = { asks: key.keyAt + PAUSE, stands: key.keyAt + PAUSE + encode + rest };
      if (next !== undefined && next.keyAt < running.asks) return null;
      return { wait: PAUSE, encode, rest, total: PAUSE + encode + rest };
    }
    // Enter does not wait; but what a pause before it has begun is under way, or there.
    if (key.keyAt < running.asks) return { wait: 0, encode, rest, total: encode + rest };
    const total = running.stands - key.keyAt;
    const restLeft = Math.min(rest, Math.max(0, total));
    return { wait: 0, encode: Math.max(0, total) - restLeft, rest: restLeft, total };
  });
}

/** @param {Key} key */
function restOf({ parts }) {
  if (parts === null) return null;
  return parts.search + parts.serialize + parts.network + parts.paint;
}
