/**
 * Numbers formatted for people, and the ticks of axes.
 * @module
 */

/** Shown if there is no number. */
export const NONE = "–";

/** @param {number} value */
function significant(value) {
  if (value >= 99.5) return String(Math.round(value));
  return value >= 9.95 ? value.toFixed(1) : value.toFixed(2);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds === 0) return "0 ms";
  if (seconds < 0.9995e-3) return `${Math.round(seconds * 1e6)} µs`;
  return seconds < 0.9995 ? `${significant(seconds * 1e3)} ms` : `${significant(seconds)} s`;
}

/** A duration without trailing zeros, for axes. @param {number} seconds */
export function tick(seconds) {
  return duration(seconds).replace(/(\.\d*?)0+ /, "$1 ").replace(". ", " ");
}

/** @param {number} share */
export function percent(share) {
  if (!Number.isFinite(share)) return NONE;
  // Rounded down: 100% means all.
  return share === 1 ? "100%" : `${(Math.floor(share * 1000) / 10).toFixed(1)}%`;
}

/** @param {number} value */
export function count(value) {
  if (!Number.isFinite(value)) return NONE;
  return value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

/** @param {number} bytes */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return NONE;
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit === 0 || bytes >= 99.5 ? Math.round(bytes) : bytes.toFixed(1)} ${units[unit]}`;
}

/**
 * Powers of ten that enclose two values, at least a decade apart.
 * @param {number} least above 0
 * @param {number} most
 * @returns {number[]}
 */
export function decades(least, most) {
  const first = Math.floor(Math.log10(least) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, step) => Number(`1e${first + step}`));
}

/**
 * About three round numbers from 0 to at least `most`.
 * @param {number} most
 * @returns {number[]}
 */
export function rounds(most) {
  if (!(most > 0)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(most / 2));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => most / size <= 3) ?? 10 * power;
  const top = Math.ceil(most / step - 1e-9);
  return Array.from({ length: top + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}
