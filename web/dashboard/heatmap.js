/**
 * Latency over time: one column per second, one row per bucket, darker for more keystrokes. The canvas has one pixel
 * per cell, and the browser scales it up.
 * @module
 */

import { element } from "./page.js";
import { duration } from "./units.js";

/** @typedef {import("./figures.js").Figures} Figures */

/** With fewer rows it would look like bars, not like a map. */
const FEWEST = 12;

/**
 * The buckets to show: those with keystrokes in them, and some around them if they are few.
 * @param {ArrayLike<number>} total
 * @returns {[number, number]} the first, and one past the last
 */
export function shownBuckets(total) {
  let first = total.length;
  let last = -1;
  for (let bucket = 0; bucket < total.length; bucket += 1) {
    if (total[bucket] > 0) {
      first = Math.min(first, bucket);
      last = bucket;
    }
  }
  if (last < 0) return [8, 8 + FEWEST];
  const missing = Math.max(0, FEWEST - (last + 1 - first));
  const from = Math.max(0, Math.min(first - Math.ceil(missing / 2), total.length - FEWEST));
  return [from, Math.min(total.length, Math.max(last + 1, from + FEWEST))];
}

export class Heatmap {
  /** @type {Uint8ClampedArray | null} */
  #shades = null;
  /** @type {HTMLElement[]} */
  #labels = [];

  /**
   * @param {HTMLElement} place
   * @param {number} columns
   * @param {string} label
   */
  constructor(place, columns, label) {
    this.columns = columns;
    this.axis = element("div", "axis");
    this.axis.setAttribute("aria-hidden", "true");
    this.canvas = document.createElement("canvas");
    this.canvas.width = columns;
    this.canvas.height = FEWEST;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", label);
    place.append(this.axis, this.canvas);
    const context = this.canvas.getContext("2d");
    if (context === null) throw new Error("this browser cannot draw on a canvas");
    this.context = context;
    this.image = context.createImageData(columns, FEWEST);
  }

  /** Read the page's colours again: its colour scheme has changed. */
  forgetColours() {
    this.#shades = null;
  }

  /**
   * @param {Figures} figures
   * @param {string} histogram
   */
  draw(figures, histogram) {
    const { history } = figures;
    const total = figures.total(histogram);
    const [from, to] = shownBuckets(total);
    const rows = to - from;
    if (this.image.height !== rows) {
      this.canvas.height = rows;
      this.image = this.context.createImageData(this.columns, rows);
    }
    const { data } = this.image;
    data.fill(0);
    const shades = (this.#shades ??= shadesOf(this.canvas));
    for (let index = 0; index < history.length; index += 1) {
      const column = this.columns - 1 - Math.round(history.age(index));
      if (column < 0) continue;
      const counts = figures.column(histogram, index);
      for (let bucket = from; bucket < to; bucket += 1) {
        if (counts[bucket] <= 0) continue;
        // The scale is logarithmic: one slow keystroke in a thousand has to be visible.
        const shade = Math.min(255, Math.round(90 + 55 * Math.log10(counts[bucket])));
        const pixel = 4 * ((to - 1 - bucket) * this.columns + column);
        for (let channel = 0; channel < 3; channel += 1) data[pixel + channel] = shades[3 * shade + channel];
        data[pixel + 3] = 255;
      }
    }
    this.context.putImageData(this.image, 0, 0);
    this.#label(history.bounds, from, to);
  }

  /**
   * Label every few buckets with their upper bound, at their upper edge.
   * @param {number[]} bounds
   * @param {number} from
   * @param {number} to
   */
  #label(bounds, from, to) {
    const step = Math.max(2, Math.round((to - from) / 6));
    /** @type {number[]} */
    const marked = [];
    for (let bucket = from + step - 1; bucket < Math.min(to, bounds.length); bucket += step) marked.push(bucket);
    while (this.#labels.length < marked.length) {
      const label = element("span");
      this.axis.append(label);
      this.#labels.push(label);
    }
    this.#labels.forEach((label, at) => {
      const bucket = marked[at];
      label.hidden = bucket === undefined;
      if (bucket === undefined) return;
      label.style.top = `${(100 * (to - 1 - bucket)) / (to - from)}%`;
      const text = duration(bounds[bucket]);
      if (label.textContent !== text) label.textContent = text;
    });
  }
}

/**
 * 256 shades from the page's lightest to its darkest, as red, green and blue.
 * @param {Element} element
 */
function shadesOf(element) {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  if (probe === null) throw new Error("this browser cannot draw on a canvas");
  const style = getComputedStyle(element);
  const gradient = probe.createLinearGradient(0, 0, 256, 0);
  ["--heat-low", "--heat-middle", "--heat-high"].forEach((name, at) => gradient.addColorStop(at / 2, style.getPropertyValue(name).trim()));
  probe.canvas.width = 256;
  probe.canvas.height = 1;
  probe.fillStyle = gradient;
  probe.fillRect(0, 0, 256, 1);
  const { data } = probe.getImageData(0, 0, 256, 1);
  const shades = new Uint8ClampedArray(256 * 3);
  for (let shade = 0; shade < 256; shade += 1) shades.set(data.subarray(4 * shade, 4 * shade + 3), 3 * shade);
  return shades;
}
