/**
 * A table of the slowest replies of the last minutes. It shows the length of a text, never the text.
 * @module
 */

import { STAGES } from "./figures.js";
import { fillTable } from "./page.js";
import { NONE, duration } from "./units.js";

/** @typedef {import("./history.js").SlowReply} SlowReply */

/**
 * @param {Element} body of the table
 * @param {SlowReply[]} slow
 */
export function showSlow(body, slow) {
  fillTable(
    body,
    slow.map(({ age_s, total_us, chars, tokens, submit, stages_us }) => [
      duration(total_us / 1e6),
      ago(age_s),
      submit ? "Enter" : "key",
      String(chars),
      String(tokens),
      ...STAGES.map((stage) => (stages_us[stage] ? duration(stages_us[stage] / 1e6) : NONE)),
    ]),
  );
}

/** @param {number} seconds */
function ago(seconds) {
  return seconds < 59.5 ? `${Math.round(seconds)} s ago` : `${Math.round(seconds / 60)} min ago`;
}
