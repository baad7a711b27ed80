/**
 * A chart of the last minutes: lines, or stacked areas. The SVG is made once; each tick only sets its paths. The
 * heatmap is in `heatmap.js`.
 * @module
 */

import { decades, rounds } from "./units.js";
import { element } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 200;

/**
 * A vertical axis. `place` maps a value to 0 at the top, 1 at the bottom.
 * @typedef {{ticks: number[], place: (value: number) => number}} Axis
 */

/**
 * A logarithmic axis between powers of ten.
 * @param {number} least
 * @param {number} most
 * @returns {Axis}
 */
export function logAxis(least, most) {
  const ticks = decades(least, most);
  const [low, high] = [Math.log10(ticks[0]), Math.log10(ticks[ticks.length - 1])];
  return { ticks, place: (value) => 1 - (Math.log10(value) - low) / (high - low) };
}

/**
 * A linear axis from 0 up.
 * @param {number} most
 * @returns {Axis}
 */
export function linearAxis(most) {
  const ticks = rounds(most);
  return { ticks, place: (value) => 1 - value / ticks[ticks.length - 1] };
}

export class Chart {
  /** @type {SVGPathElement[]} */
  #paths = [];
  /** @type {SVGLineElement[]} */
  #grid = [];
  /** @type {HTMLElement[]} */
  #labels = [];
  /** @type {SVGLineElement | undefined} */
  #target;

  /**
   * @param {HTMLElement} place an empty element to draw in
   * @param {{names: string[], label: string, stacked?: boolean, target?: boolean, axis?: boolean}} options `names` are
   *   classes, one per line; `label` describes the chart to screen readers
   */
  constructor(place, { names, label, stacked = false, target = false, axis = true }) {
    this.stacked = stacked;
    this.svg = /** @type {SVGSVGElement} */ (this.#make("svg"));
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("role", "img");
    this.svg.setAttribute("aria-label", label);
    this.axis = axis ? element("div", "axis") : null;
    if (this.axis !== null) {
      this.axis.setAttribute("aria-hidden", "true");
      place.append(this.axis);
    }
    for (const name of names) {
      const path = /** @type {SVGPathElement} */ (this.#make("path"));
      path.setAttribute("class", `${stacked ? "area" : "line"} ${name}`);
      path.setAttribute("vector-effect", "non-scaling-stroke");
      this.#paths.push(path);
    }
    this.svg.append(...this.#paths);
    if (target) {
      this.#target = this.#line("target");
      this.svg.append(this.#target);
    }
    place.append(this.svg);
  }

  /**
   * @param {number[]} places one per moment, oldest first, from 0 at the left to 1 at the right
   * @param {ArrayLike<number>[]} values one array per line; NaN breaks the line
   * @param {Axis} axis
   * @param {(value: number) => string} format
   * @param {number} [target]
   */
  draw(places, values, axis, format, target) {
    this.#drawAxis(axis, format);
    const y = (/** @type {number} */ value) => Math.min(1, Math.max(0, axis.place(value))) * HEIGHT;
    if (this.#target !== undefined && target !== undefined) this.#setLine(this.#target, y(target));
    if (this.stacked) this.#drawAreas(places, values, y);
    else values.forEach((line, at) => this.#paths[at].setAttribute("d", outline(places, line, y)));
  }

  /**
   * @param {number[]} places
   * @param {ArrayLike<number>[]} values
   * @param {(value: number) => number} y
   */
  #drawAreas(places, values, y) {
    let below = new Float64Array(places.length);
    values.forEach((layer, at) => {
      const above = below.map((sum, moment) => sum + layer[moment]);
      this.#paths[at].setAttribute("d", area(places, below, above, y));
      below = above;
    });
  }

  /**
   * @param {Axis} axis
   * @param {(value: number) => string} format
   */
  #drawAxis({ ticks, place }, format) {
    while (this.#grid.length < ticks.length) {
      const line = this.#line("grid");
      this.svg.prepend(line);
      this.#grid.push(line);
      const label = element("span");
      this.axis?.append(label);
      this.#labels.push(label);
    }
    this.#grid.forEach((line, at) => {
      const used = at < ticks.length;
      line.setAttribute("visibility", used ? "visible" : "hidden");
      this.#labels[at].hidden = !used;
      if (!used) return;
      this.#setLine(line, place(ticks[at]) * HEIGHT);
      this.#labels[at].style.top = `${place(ticks[at]) * 100}%`;
      const text = format(ticks[at]);
      if (this.#labels[at].textContent !== text) this.#labels[at].textContent = text;
    });
  }

  /** @param {string} name */
  #line(name) {
    const line = /** @type {SVGLineElement} */ (this.#make("line"));
    line.setAttribute("class", name);
    line.setAttribute("x2", String(WIDTH));
    line.setAttribute("vector-effect", "non-scaling-stroke");
    return line;
  }

  /**
   * @param {SVGLineElement} line
   * @param {number} y
   */
  #setLine(line, y) {
    line.setAttribute("y1", y.toFixed(1));
    line.setAttribute("y2", y.toFixed(1));
  }

  /** @param {string} name */
  #make(name) {
    return document.createElementNS(SVG, name);
  }
}

/**
 * @param {number[]} places
 * @param {ArrayLike<number>} values
 * @param {(value: number) => number} y
 */
function outline(places, values, y) {
  let path = "";
  let drawing = false;
  for (let at = 0; at < places.length; at += 1) {
    const known = Number.isFinite(values[at]);
    if (known) {
      // A single moment is a dot: a line of no length with round ends.
      path += `${drawing ? "L" : "M"}${point(places[at], y(values[at]))}`;
      if (!drawing && !Number.isFinite(values[at + 1])) path += "h0";
    }
    drawing = known;
  }
  return path;
}

/**
 * @param {number[]} places
 * @param {Float64Array} below
 * @param {Float64Array} above
 * @param {(value: number) => number} y
 */
function area(places, below, above, y) {
  let path = "";
  let from = -1;
  for (let at = 0; at <= places.length; at += 1) {
    const known = at < places.length && Number.isFinite(above[at]);
    if (known && from < 0) from = at;
    if (known || from < 0) continue;
    for (let forth = from; forth < at; forth += 1) path += `${forth === from ? "M" : "L"}${point(places[forth], y(above[forth]))}`;
    for (let back = at - 1; back >= from; back -= 1) path += `L${point(places[back], y(below[back]))}`;
    path += "Z";
    from = -1;
  }
  return path;
}

/**
 * @param {number} place
 * @param {number} y
 */
function point(place, y) {
  return `${(place * WIDTH).toFixed(1)} ${y.toFixed(1)}`;
}
