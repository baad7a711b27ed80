/**
 * Draws the figures of the last minutes: the tiles at the top, the charts, and tables with the same numbers.
 * @module
 */

import { Chart, linearAxis, logAxis } from "./chart.js";
import { Figures, QUANTILES, SOURCES, STAGES } from "./figures.js";
import { Heatmap } from "./heatmap.js";
import { series } from "./history.js";
import { byId, element, fillTable, setText } from "./page.js";
import { count, duration, percent, size, tick } from "./units.js";

/** @typedef {import("./history.js").History} History */
/** @typedef {keyof typeof SOURCES} Source */

/** How many seconds the charts show. */
export const SPAN = 300;

const NAMES = QUANTILES.map((q) => `p${Number((q * 100).toPrecision(3))}`);
/** Seconds between the rows of a table. */
const TABLE_STEP = 30;

const SESSIONS = series("typeahead_active_sessions");
const CACHE = series("typeahead_state_cache_bytes");
const CAPACITY = series("typeahead_state_cache_capacity_bytes");

export class Panels {
  /** @type {Source} */
  source = "server";
  /** In seconds. */
  target = 0.01;

  /** @param {History} history */
  constructor(history) {
    this.history = history;
    this.figures = new Figures(history);
    const over = "over the last five minutes; the table below has the numbers";
    this.latency = new Chart(byId("latency-plot"), { names: NAMES, target: true, label: `Percentiles of latency ${over}` });
    this.stages = new Chart(byId("stages-plot"), { names: STAGES, stacked: true, label: `Mean time of each stage ${over}` });
    this.heatmap = new Heatmap(byId("heatmap-plot"), SPAN, `Number of keystrokes by latency ${over}`);
    this.sparks = Object.fromEntries(
      ["keys", "ready", "sessions", "cache", "lag"].map((name) => [
        name,
        new Chart(byId(`spark-${name}`), { names: ["spark"], label: "Over the last five minutes", axis: false }),
      ]),
    );
    this.latencyLegend = legend(byId("latency-legend"), NAMES);
    this.stagesLegend = legend(byId("stages-legend"), STAGES);
  }

  draw() {
    const { figures, history } = this;
    const newest = history.length - 1;
    if (newest < 0) return;
    const moments = Array.from({ length: history.length }, (_, index) => index).filter((index) => history.age(index) <= SPAN);
    const places = moments.map((index) => 1 - history.age(index) / SPAN);
    this.#drawTiles(moments, places);
    const percentiles = moments.map((index) => figures.percentiles(SOURCES[this.source], index));
    const stages = moments.map((index) => figures.stages(index));
    this.#drawLatency(places, percentiles);
    this.#drawStages(places, stages);
    this.heatmap.draw(figures, SOURCES[this.source]);
    this.#fillTables(moments, percentiles, stages);
  }

  /**
   * @param {number[]} moments
   * @param {number[]} places
   */
  #drawTiles(moments, places) {
    const { figures, history, sparks } = this;
    const newest = history.length - 1;
    const keys = moments.map((index) => figures.keys(index));
    const ready = moments.map((index) => figures.ready(index));
    const sessions = moments.map((index) => history.value(SESSIONS, index));
    const cache = moments.map((index) => history.value(CACHE, index));
    const lag = moments.map((index) => figures.lag(index));
    setText(byId("keys"), count(keys[keys.length - 1]));
    setText(byId("ready"), percent(ready[ready.length - 1]));
    setText(byId("sessions"), count(history.value(SESSIONS)));
    setText(byId("cache"), size(history.value(CACHE)));
    setText(byId("cache-note"), `of ${size(history.value(CAPACITY))}; ${percent(figures.cached(newest))} of steps found there`);
    setText(byId("lag"), duration(lag[lag.length - 1]));
    for (const [name, values, most] of /** @type {[string, number[], number][]} */ ([
      ["keys", keys, highest(keys)],
      ["ready", ready, 1],
      ["sessions", sessions, highest(sessions)],
      ["cache", cache, highest(cache)],
      ["lag", lag, highest(lag)],
    ])) {
      // Leave some room above, so that a line along the top is visible.
      sparks[name].draw(places, [values], { ticks: [], place: (value) => 0.97 - (0.9 * value) / (most || 1) }, String);
    }
  }

  /**
   * @param {number[]} places
   * @param {number[][]} percentiles
   */
  #drawLatency(places, percentiles) {
    const values = NAMES.map((_, at) => percentiles.map((moment) => moment[at]));
    const known = percentiles.flat().filter((value) => value > 0);
    const axis = logAxis(Math.min(...known, this.target), Math.max(...known, this.target));
    this.latency.draw(places, values, axis, tick, this.target);
    const now = percentiles[percentiles.length - 1];
    now.forEach((seconds, at) => setText(this.latencyLegend[at], duration(seconds)));
    const p99 = now[2];
    const verdict = byId("latency-verdict");
    setText(verdict, Number.isFinite(p99) ? `p99 is ${p99 <= this.target ? "within" : "above"} the target of ${tick(this.target)}.` : "No keystrokes in the last ten seconds.");
    verdict.classList.toggle("missed", p99 > this.target);
  }

  /**
   * @param {number[]} places
   * @param {number[][]} stages
   */
  #drawStages(places, stages) {
    const sums = stages.map((moment) => moment.reduce((sum, seconds) => sum + seconds, 0));
    const values = STAGES.map((_, at) => stages.map((moment) => moment[at]));
    this.stages.draw(places, values, linearAxis(highest(sums) || 1e-3), tick);
    stages[stages.length - 1].forEach((seconds, at) => setText(this.stagesLegend[at], duration(seconds)));
  }

  /**
   * Only tables that are open are filled.
   * @param {number[]} moments
   * @param {number[][]} percentiles
   * @param {number[][]} stages
   */
  #fillTables(moments, percentiles, stages) {
    const { figures, history } = this;
    const rows = [];
    for (let age = 0; age <= SPAN; age += TABLE_STEP) {
      const at = moments.findLastIndex((index) => history.age(index) >= age - 0.5);
      if (at >= 0) rows.push({ age, at });
    }
    const when = (/** @type {number} */ age) => (age === 0 ? "now" : `${age} s ago`);
    if (isOpen("latency-table")) {
      fillTable(byId("latency-rows"), rows.map(({ age, at }) => [when(age), count(figures.keys(moments[at])), ...percentiles[at].map(duration)]));
    }
    if (isOpen("stages-table")) {
      fillTable(byId("stages-rows"), rows.map(({ age, at }) => [when(age), ...stages[at].map(duration)]));
    }
    if (isOpen("heatmap-table")) {
      const total = figures.total(SOURCES[this.source]);
      const all = total.reduce((sum, keys) => sum + keys, 0);
      const buckets = [...total].map((keys, bucket) => ({ keys, bucket })).filter(({ keys }) => keys > 0);
      fillTable(
        byId("heatmap-rows"),
        buckets.map(({ keys, bucket }) => {
          const bound = history.bounds[bucket];
          return [bound === undefined ? `more than ${duration(history.bounds[bucket - 1])}` : `up to ${duration(bound)}`, count(keys), percent(keys / all)];
        }),
      );
    }
  }
}

/** @param {string} id */
function isOpen(id) {
  return /** @type {HTMLDetailsElement} */ (byId(id)).open;
}

/** @param {number[]} values */
function highest(values) {
  return values.reduce((most, value) => (value > most ? value : most), 0);
}

/**
 * @param {HTMLElement} place
 * @param {string[]} names
 * @returns {HTMLElement[]} the elements for the values
 */
function legend(place, names) {
  return names.map((name) => {
    const item = element("li");
    const figure = element("span", "figure", "–");
    item.append(element("i", `swatch ${name}`), element("span", "", name), figure);
    place.append(item);
    return figure;
  });
}
