/**
 * Computes what the charts show from differences of counters: rates, shares, percentiles, means. Needs no DOM.
 * @module
 */

import { series } from "./history.js";

/** @typedef {import("./history.js").History} History */

export const QUANTILES = [0.5, 0.9, 0.99, 0.999];

export const STAGES = ["queue", "tokenize", "step", "search", "serialize"];

const OUTCOMES = ["served", "superseded", "cancelled", "overloaded", "error"];

/** The histogram of each place where latency is measured. */
export const SOURCES = {
  server: "typeahead_keystroke_duration_seconds",
  paint: "typeahead_client_key_to_paint_seconds",
  trip: "typeahead_client_round_trip_seconds",
};

const LAG = "typeahead_event_loop_lag_seconds";

/** Seconds over which percentiles and means are taken: enough keystrokes for a tail, few enough to show a change. */
export const WINDOW = 10;
/** Enter is rarer than other keys. */
export const READY_WINDOW = 60;
const RATE_WINDOW = 3;

/**
 * A quantile of a histogram, computed as Prometheus does: linear within the bucket. NaN if nothing was counted, and the
 * highest bound for anything above it.
 * @param {ArrayLike<number>} counts one per bound, and one for everything above
 * @param {number[]} bounds
 * @param {number} q
 */
export function quantile(counts, bounds, q) {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket += 1) total += counts[bucket];
  if (!(total > 0)) return NaN;
  const rank = q * total;
  let below = 0;
  for (let bucket = 0; bucket < bounds.length; bucket += 1) {
    if (counts[bucket] > 0 && below + counts[bucket] >= rank) {
      const from = bucket === 0 ? 0 : bounds[bucket - 1];
      return from + (bounds[bucket] - from) * Math.max(0, (rank - below) / counts[bucket]);
    }
    below += counts[bucket];
  }
  return bounds[bounds.length - 1];
}

export class Figures {
  #counts = new Float64Array(0);

  /** @param {History} history */
  constructor(history) {
    this.history = history;
  }

  /** An array of the right size, reused by all calls. */
  get #scratch() {
    const size = this.history.bounds.length + 1;
    if (this.#counts.length !== size) this.#counts = new Float64Array(size);
    return this.#counts;
  }

  /** Keystrokes per second, whatever their outcome. @param {number} index */
  keys(index) {
    const from = this.history.before(index, RATE_WINDOW);
    if (from < 0) return NaN;
    let grown = 0;
    for (const outcome of OUTCOMES) {
      const keys = this.history.grown(series("typeahead_keystrokes_total", { outcome }), from, index);
      if (Number.isFinite(keys)) grown += keys;
    }
    return grown / (this.history.age(from) - this.history.age(index));
  }

  /** The share of Enters whose results were ready; NaN if there was none. @param {number} index */
  ready(index) {
    const from = this.history.before(index, READY_WINDOW);
    const [yes, no] = ["true", "false"].map((ready) => this.history.grown(series("typeahead_submits_total", { ready }), from, index));
    return yes + no > 0 ? yes / (yes + no) : NaN;
  }

  /** The share of steps found in the cache. @param {number} index */
  cached(index) {
    const from = this.history.before(index, READY_WINDOW);
    const [found, computed] = ["cached", "computed"].map((source) => this.history.grown(series("typeahead_steps_total", { source }), from, index));
    return found + computed > 0 ? found / (found + computed) : NaN;
  }

  /**
   * The `QUANTILES` in seconds.
   * @param {string} histogram
   * @param {number} index
   * @returns {number[]}
   */
  percentiles(histogram, index) {
    const counts = this.#scratch;
    this.history.counted(histogram, this.history.before(index, WINDOW), index, counts);
    return QUANTILES.map((q) => quantile(counts, this.history.bounds, q));
  }

  /** The 99th percentile of the event loop's lag, in seconds. @param {number} index */
  lag(index) {
    const counts = this.#scratch;
    this.history.counted(LAG, this.history.before(index, WINDOW), index, counts);
    return quantile(counts, this.history.bounds, 0.99);
  }

  /**
   * The mean seconds of each stage, over all replies. Together they add up to the mean duration.
   * @param {number} index
   * @returns {number[]}
   */
  stages(index) {
    const counts = this.#scratch;
    const from = this.history.before(index, WINDOW);
    this.history.counted(SOURCES.server, from, index, counts);
    const replies = counts.reduce((sum, count) => sum + count, 0);
    return STAGES.map((stage) => {
      const spent = this.history.counted(series("typeahead_stage_duration_seconds", { stage }), from, index, counts);
      return replies > 0 ? spent / replies : NaN;
    });
  }

  /**
   * What a histogram counted in the second before an answer. The next call overwrites the array.
   * @param {string} histogram
   * @param {number} index
   */
  column(histogram, index) {
    const counts = this.#scratch;
    this.history.counted(histogram, this.history.before(index, 1), index, counts);
    return counts;
  }

  /**
   * What a histogram counted over the whole history.
   * @param {string} histogram
   */
  total(histogram) {
    const all = new Float64Array(this.history.bounds.length + 1);
    for (let index = 0; index < this.history.length; index += 1) {
      this.column(histogram, index).forEach((count, bucket) => { all[bucket] += count; });
    }
    return all;
  }
}
