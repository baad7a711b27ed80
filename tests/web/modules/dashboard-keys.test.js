import { KeyLog, PARTS, keyLabel } from "../dashboard/keys.js";
import { asTeacher, encoding } from "../dashboard/teacher.js";
import { equal, test } from "./harness.js";

const TEACHER = { encoder: "doc", runs: 5, points: [[3, 4000], [23, 6000], [103, 10000]] };
const TIMING = { queue: 100, tokenize: 50, step: 300, search: 1400, serialize: 150, total: 2000 };

/** @param {KeyLog} log @param {number} keyAt */
function paint(log, keyAt, { submit = false, ready = false, timing = TIMING } = {}) {
  log.painted({ seq: 1, text: "", hits: [], submit, ready, keyAt, sentAt: keyAt + 1, timing }, keyAt + 6, keyAt + 16);
}

test("the parts of a key add up to the time from the key to the paint", () => {
  const log = new KeyLog();
  log.typed("e", 1, 100);
  paint(log, 100);
  const [key] = log.keys;
  equal([1, 0.1, 0.05, 0.3, 1.4, 0.15, 3, 10], PARTS.map((part) => key.parts[part]));
  equal([16, 16], [key.total, Math.round(PARTS.reduce((sum, part) => sum + key.parts[part], 0) * 1e6) / 1e6]);
});

test("a key whose answer never came, as a later one did, was overtaken", () => {
  const log = new KeyLog();
  log.typed("e", 1, 100);
  log.typed("g", 2, 110);
  log.typed("g", 3, 120);
  paint(log, 110);
  equal([true, false, false], log.keys.map((key) => key.overtaken));
});

test("an emptied field begins a new query, and a long one keeps its newest keys", () => {
  const log = new KeyLog();
  for (let at = 1; at <= 100; at += 1) log.typed("x", at, at);
  equal([60, 100], [log.keys.length, log.keys[59].chars]);
  log.typed("⌫", 0, 101);
  equal(0, log.keys.length);
});

test("an answer that nobody's key asked for is nobody's key", () => {
  const log = new KeyLog();
  log.typed("e", 1, 100);
  log.painted({ seq: 1, text: "e", hits: [], submit: false, ready: false, keyAt: null, sentAt: 1, timing: TIMING }, 2, 3);
  log.painted({ seq: 1, text: "e", hits: [], submit: false, ready: false, keyAt: 100, sentAt: null, timing: TIMING }, 2, 3);
  equal(null, log.keys[0].parts);
});

test("a clock that is coarse makes no negative part", () => {
  const log = new KeyLog();
  log.typed("e", 1, 100);
  paint(log, 100, { timing: { ...TIMING, total: 9000 } });
  equal(0, log.keys[0].parts.network);
});

test("keys are named by what they did to the text", () => {
  equal(
    ["e", "␣", "⌫", "⌫3", "+5", "🥚"],
    [["e", 0], [" ", 0], ["", 1], ["", 3], ["paste", 0], ["🥚", 0]].map(([ins, del]) => keyLabel({ at: 0, del, ins })),
  );
});

test("the teacher's time is read off the lengths that were measured", () => {
  equal([4, 4, 5, 6, 8, 12], [1, 3, 13, 23, 63, 143].map((chars) => encoding(TEACHER, chars)));
  equal(7, encoding({ ...TEACHER, points: [[10, 7000]] }, 500));
});

test("a search box that waits for a pause asks nothing while keys come", () => {
  const log = new KeyLog();
  for (const [chars, at] of [[1, 0], [2, 100], [3, 400]]) {
    log.typed("x", chars, at);
    paint(log, at);
  }
  const costs = asTeacher(log.keys, TEACHER);
  equal([true, false, false], costs.map((cost) => cost === null));
  equal({ wait: 150, encode: 4, rest: 14.55, total: 168.55 }, costs[1]);
});

test("Enter does not wait for the pause, and what has begun by then is not begun again", () => {
  const costOfEnter = (/** @type {number} */ after) => {
    const log = new KeyLog();
    log.typed("x", 3, 0);
    paint(log, 0);
    log.entered(3, after);
    return asTeacher(log.keys, TEACHER)[1];
  };
  equal({ wait: 0, encode: 4, rest: 14.55, total: 18.55 }, costOfEnter(60));
  equal({ wait: 0, encode: 2, rest: 14.55, total: 16.55 }, round(costOfEnter(152)));
  equal({ wait: 0, encode: 0, rest: 8.55, total: 8.55 }, round(costOfEnter(160)));
  equal({ wait: 0, encode: 0, rest: 0, total: -31.45 }, round(costOfEnter(200)));
});

/** @param {Record<string, number>} cost */
function round(cost) {
  return Object.fromEntries(Object.entries(cost).map(([name, ms]) => [name, Math.round(ms * 1e6) / 1e6]));
}
