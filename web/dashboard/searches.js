/**
 * What people searched for and chose since the server's start, in numbers. Shown once there is something to show, since
 * most servers do not ask for it.
 * @module
 */

import { byId, fillTable, setText } from "./page.js";
import { count, percent } from "./units.js";

/** @typedef {import("./history.js").Answer["metrics"]} Metrics */

/** @param {Metrics} metrics */
export function showSearches(metrics) {
  const queries = counters(metrics, "typeahead_queries_total", "found");
  const choices = counters(metrics, "typeahead_choices_total", "position");
  const [asked, chosen] = [queries, choices].map((each) => each.reduce((sum, [, value]) => sum + value, 0));
  byId("searches").hidden = asked + chosen === 0;
  const { nothing = 0, weak = 0 } = Object.fromEntries(queries);
  setText(byId("searches-summary"), [
    `${count(asked)} queries`,
    `${percent(nothing / asked)} without a result`,
    `${percent(weak / asked)} with poor results only`,
    `${count(chosen)} results chosen`,
  ].join(" · "));
  fillTable(byId("searches-rows"), choices.map(([place, value]) => [place, count(value), percent(value / chosen)]));
}

/**
 * The counters of a metric by one of its labels.
 * @param {Metrics} metrics
 * @param {string} name
 * @param {string} label
 * @returns {[string, number][]}
 */
function counters(metrics, name, label) {
  return (metrics[name] ?? []).map(([labels, value]) => [labels[label], Number(value)]);
}
