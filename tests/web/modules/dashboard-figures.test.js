import { Figures, quantile } from "../dashboard/figures.js";
import { History, series } from "../dashboard/history.js";
import { shownBuckets } from "../dashboard/heatmap.js";
import { equal, test } from "./harness.js";

const BOUNDS = [0.001, 0.002, 0.004, 0.008];
const KEYSTROKE = "typeahead_keystroke_duration_seconds";

/** An answer of a server that has counted this much. @param {object} counted */
function answer({ at, started = 1, served = 0, superseded = 0, ready = 0, late = 0, counts = [0, 0, 0, 0, 0], queue = 0, search = 0, sessions = 1 }) {
  const histogram = (sum) => ({ counts: [...counts], sum });
  return {
    version: 1,
    started,
    at,
    bounds: BOUNDS,
    metrics: {
      [KEYSTROKE]: [[{}, histogram(queue + search)]],
      typeahead_stage_duration_seconds: [[{ stage: "queue" }, histogram(queue)], [{ stage: "search" }, histogram(search)]],
      typeahead_keystrokes_total: [[{ outcome: "served" }, served], [{ outcome: "superseded" }, superseded]],
      typeahead_submits_total: [[{ ready: "true" }, ready], [{ ready: "false" }, late]],
      typeahead_active_sessions: [[{}, sessions]],
    },
    slow: [],
    teacher: null,
  };
}

/** @param {object[]} answers */
function seen(...answers) {
  const history = new History(300);
  for (const one of answers) history.push(answer(one));
  return new Figures(history);
}

const near = (expected, actual) => equal(Number(expected.toPrecision(9)), Number(actual.toPrecision(9)));

test("a series is named by its labels", () => {
  equal('a{b=c}{d=e}', series("a", { b: "c", d: "e" }));
});

test("a quantile is linear within its bucket, as Prometheus has it", () => {
  near(0.0015, quantile([0, 10, 0, 0, 0], BOUNDS, 0.5));
  near(0.0005, quantile([10, 10, 0, 0, 0], BOUNDS, 0.25));
  near(0.002, quantile([5, 5, 0, 0, 0], BOUNDS, 1));
});

test("what lies above all bounds is the highest bound, and nothing has no quantile", () => {
  equal(0.008, quantile([0, 0, 0, 0, 3], BOUNDS, 0.5));
  equal(true, Number.isNaN(quantile([0, 0, 0, 0, 0], BOUNDS, 0.5)));
});

test("rates and percentiles are of differences, not of all that was ever counted", () => {
  const figures = seen(
    { at: 10, served: 1000, counts: [1000, 0, 0, 0, 0] },
    { at: 11, served: 1004, superseded: 2, counts: [1000, 0, 4, 0, 0] },
  );
  near(6, figures.keys(1));
  near(0.003, figures.percentiles(KEYSTROKE, 1)[0]);
  equal(true, Number.isNaN(figures.keys(0)));
});

test("the share that was ready at Enter is of those who pressed it", () => {
  const figures = seen({ at: 1, ready: 7 }, { at: 2, ready: 10, late: 1 });
  near(0.75, figures.ready(1));
  equal(true, Number.isNaN(seen({ at: 1 }, { at: 2 }).ready(1)));
});

test("the stages' means add up to the mean of the whole, whoever needed them", () => {
  const figures = seen({ at: 1 }, { at: 2, counts: [0, 4, 0, 0, 0], queue: 0.002, search: 0.006 });
  const means = figures.stages(1);
  near(0.0005, means[0]);
  near(0.0015, means[3]);
});

test("no difference reaches over a restart, nor over a hole", () => {
  const restarted = seen({ at: 1, served: 50 }, { at: 2, served: 60 }, { at: 1, started: 2, served: 3 }, { at: 2, started: 2, served: 5 });
  equal(true, Number.isNaN(restarted.keys(2)));
  near(2, restarted.keys(3));
  const hole = seen({ at: 1, served: 0 }, { at: 100, served: 990 }, { at: 101, served: 1000 });
  equal(true, Number.isNaN(hole.keys(1)));
  near(10, hole.keys(2));
});

test("the same answer twice is one", () => {
  equal(2, seen({ at: 1 }, { at: 2 }, { at: 2 }).history.length);
});

test("a server with other metrics begins anew", () => {
  const history = new History(10);
  history.push(answer({ at: 1 }));
  const other = answer({ at: 2 });
  delete other.metrics.typeahead_submits_total;
  history.push(other);
  equal([1, 1], [history.length, history.value("typeahead_active_sessions")]);
});

test("old answers make room for new ones", () => {
  const history = new History(5);
  for (let at = 0; at < 23; at += 1) history.push(answer({ at, served: at * at, sessions: at }));
  equal([5, 4, 18, 22], [history.length, history.age(0), history.value("typeahead_active_sessions", 0), history.value("typeahead_active_sessions")]);
  near((22 * 22 - 19 * 19) / 3, new Figures(history).keys(4));
});

test("a heatmap shows the buckets in use, and not too few", () => {
  const counts = new Array(35).fill(0);
  equal([8, 20], shownBuckets(counts));
  counts[34] = 1;
  equal([23, 35], shownBuckets(counts));
  counts[2] = 1;
  equal([2, 35], shownBuckets(counts));
  equal([0, 12], shownBuckets([1, ...new Array(34).fill(0)]));
});
