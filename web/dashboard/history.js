/**
 * The server's answers of the last minutes, and differences between them. All memory is allocated at the first answer,
 * so a page that is open for days does not grow. `figures.js` makes use of the differences.
 * @module
 */

/** A histogram's value in an answer. @typedef {{counts: number[], sum: number}} Buckets */

/**
 * One of the slowest replies: see `typeahead/server/observe/slow.py`.
 * @typedef {{age_s: number, total_us: number, chars: number, tokens: number, submit: boolean,
 *   request_id: string, stages_us: Record<string, number>}} SlowReply
 */

/**
 * An answer of `GET /v1/dashboard`: see `typeahead/server/http/dashboard.py`.
 * @typedef {object} Answer
 * @property {number} version
 * @property {number} started
 * @property {number} at
 * @property {number[]} bounds
 * @property {Record<string, [Record<string, string>, number | Buckets][]>} metrics
 * @property {SlowReply[]} slow
 * @property {import("./teacher.js").Teacher | null} teacher
 */

/** After so many seconds without an answer, a difference across the gap would say nothing about any moment in it. */
const HOLE = 3;

/**
 * The name of a metric with its labels.
 * @param {string} metric
 * @param {Record<string, string>} [labels]
 */
export function series(metric, labels = {}) {
  return metric + Object.entries(labels).map(([name, value]) => `{${name}=${value}}`).join("");
}

export class History {
  /** Where each series begins in a row. @type {Map<string, number>} */
  #places = new Map();
  #width = 0;
  #rows = new Float64Array(0);
  #times;
  /** Differences never reach across epochs. */
  #epochs;
  #first = 0;
  #length = 0;
  #started = 0;
  /** Upper bounds of the buckets, in seconds. @type {number[]} */
  bounds = [];

  /** @param {number} capacity how many answers to keep */
  constructor(capacity) {
    this.capacity = capacity;
    this.#times = new Float64Array(capacity);
    this.#epochs = new Float64Array(capacity);
  }

  /** How many answers there are. The newest is number `length - 1`. */
  get length() {
    return this.#length;
  }

  /** @param {Answer} answer */
  push(answer) {
    if (!this.#fits(answer)) this.#layOut(answer);
    const newest = this.#length - 1;
    let epoch = newest < 0 ? 0 : this.#epochs[this.#row(newest)];
    if (newest >= 0) {
      const before = this.#times[this.#row(newest)];
      // The same time again means the same answer again.
      if (answer.started === this.#started && answer.at === before) return;
      if (answer.started !== this.#started || answer.at < before || answer.at - before > HOLE) epoch += 1;
    }
    this.#started = answer.started;
    if (this.#length < this.capacity) this.#length += 1;
    else this.#first = (this.#first + 1) % this.capacity;
    const row = this.#row(this.#length - 1);
    this.#times[row] = answer.at;
    this.#epochs[row] = epoch;
    let place = row * this.#width;
    for (const values of Object.values(answer.metrics)) {
      for (const [, value] of values) {
        if (typeof value === "number") {
          this.#rows[place++] = value;
        } else {
          for (const count of value.counts) this.#rows[place++] = count;
          this.#rows[place++] = value.sum;
        }
      }
    }
  }

  /** How many seconds number `index` is older than the newest answer. @param {number} index */
  age(index) {
    return this.#times[this.#row(this.#length - 1)] - this.#times[this.#row(index)];
  }

  /**
   * A counter or gauge.
   * @param {string} name of the series
   * @param {number} [index]
   */
  value(name, index = this.#length - 1) {
    const place = this.#places.get(name);
    return place === undefined || index < 0 ? NaN : this.#rows[this.#row(index) * this.#width + place];
  }

  /**
   * The number of the answer to compare `index` with: `seconds` earlier, or as far back as possible without a restart or
   * a gap; -1 if there is none.
   * @param {number} index
   * @param {number} seconds
   */
  before(index, seconds) {
    let found = -1;
    for (let earlier = index - 1; earlier >= 0; earlier -= 1) {
      if (this.#epochs[this.#row(earlier)] !== this.#epochs[this.#row(index)]) break;
      found = earlier;
      // Answers come a little more or less than a second apart.
      if (this.age(earlier) - this.age(index) > seconds - 0.5) break;
    }
    return found;
  }

  /**
   * How much a counter grew.
   * @param {string} name
   * @param {number} from
   * @param {number} to
   */
  grown(name, from, to) {
    return from < 0 ? NaN : this.value(name, to) - this.value(name, from);
  }

  /**
   * What a histogram counted between two answers. Writes its buckets into `out` and returns the sum of seconds.
   * @param {string} name
   * @param {number} from
   * @param {number} to
   * @param {Float64Array} out one longer than the bounds
   */
  counted(name, from, to, out) {
    const place = this.#places.get(name);
    out.fill(0);
    if (place === undefined || from < 0) return NaN;
    const earlier = this.#row(from) * this.#width + place;
    const later = this.#row(to) * this.#width + place;
    for (let bucket = 0; bucket < out.length; bucket += 1) out[bucket] = this.#rows[later + bucket] - this.#rows[earlier + bucket];
    return this.#rows[later + out.length] - this.#rows[earlier + out.length];
  }

  /** @param {number} index */
  #row(index) {
    return (this.#first + index) % this.capacity;
  }

  /** @param {Answer} answer */
  #fits(answer) {
    let width = 0;
    let known = true;
    for (const [metric, values] of Object.entries(answer.metrics)) {
      for (const [labels, value] of values) {
        known &&= this.#places.get(series(metric, labels)) === width;
        width += typeof value === "number" ? 1 : value.counts.length + 1;
      }
    }
    return known && width === this.#width && width > 0;
  }

  /** The server has other metrics than before: start over. @param {Answer} answer */
  #layOut(answer) {
    this.#places.clear();
    this.#width = 0;
    for (const [metric, values] of Object.entries(answer.metrics)) {
      for (const [labels, value] of values) {
        this.#places.set(series(metric, labels), this.#width);
        this.#width += typeof value === "number" ? 1 : value.counts.length + 1;
      }
    }
    this.bounds = answer.bounds;
    this.#rows = new Float64Array(this.#width * this.capacity);
    this.#first = 0;
    this.#length = 0;
  }
}
