/**
 * Runs the tests of one module in the browser: `run.html?of=edits` imports `edits.test.js` and leaves the outcome in
 * `window.outcome`, where `test_modules.py` reads it.
 * @module
 */

/** @type {[string, () => void | Promise<void>][]} */
const tests = [];

/**
 * @param {string} name a sentence of behaviour
 * @param {() => void | Promise<void>} body
 */
export function test(name, body) {
  tests.push([name, body]);
}

/**
 * @param {unknown} expected
 * @param {unknown} actual
 */
export function equal(expected, actual) {
  const [wanted, got] = [expected, actual].map((value) => JSON.stringify(value));
  if (wanted !== got) throw new Error(`expected ${wanted}, got ${got}`);
}

/** A generator of numbers from 0 to 1, the same ones each time (mulberry32). @param {number} seed */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Run all that was declared. @returns {Promise<{passed: string[], failed: string[]}>} */
export async function run() {
  /** @type {{passed: string[], failed: string[]}} */
  const outcome = { passed: [], failed: [] };
  for (const [name, body] of tests) {
    try {
      await body();
      outcome.passed.push(name);
    } catch (error) {
      outcome.failed.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return outcome;
}
