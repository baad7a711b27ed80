/**
 * What the same keystrokes would have cost without an incremental encoder: in a search box that waits for a pause or
 * for Enter and then has the teacher encode the full text. The server measured that encoding at its start; search,
 * network and paint are those of these very keystrokes. Needs no DOM.
 * @module
 */

/** The server's measurements: see `typeahead/server/teacher.py`. @typedef {{encoder: string, runs: number, points: [number, number][]}} Teacher */

/** @typedef {import("./keys.js").Key} Key */

/**
 * The cost of a keystroke in milliseconds: `wait` for the pause, `encode`, and all the `rest`. Null if nothing was
 * asked, since the next keystroke came before the pause was over. `total` is from the keystroke to its results; for
 * Enter it is negative if they were there before it.
 * @typedef {{wait: number, encode: number, rest: number, total: number} | null} Cost
 */

/** Milliseconds of silence before such a search box asks. This is a common choice. */
export const PAUSE = 150;

/**
 * How many milliseconds the teacher takes for a text: interpolated between the measured lengths, and extrapolated
 * beyond the last one.
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
 * The cost of each keystroke, oldest first.
 * @param {Key[]} keys
 * @param {Teacher} teacher
 * @returns {Cost[]}
 */
export function asTeacher(keys, teacher) {
  /** What follows the encoding, from the newest keystroke that has it. */
  let rest = 0;
  /** When the pause after the last text ends, and when its results are there. @type {{asks: number, stands: number}} */
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
    // Enter does not wait, but a search that an earlier pause started is under way or done.
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
