import { count, decades, duration, percent, rounds, size, tick } from "../dashboard/units.js";
import { linearAxis, logAxis } from "../dashboard/chart.js";
import { equal, test } from "./harness.js";

test("durations have three digits and the unit that fits", () => {
  equal(
    ["0 ms", "15 µs", "850 µs", "1.00 ms", "9.94 ms", "10.0 ms", "99.4 ms", "100 ms", "999 ms", "1.00 s", "12.5 s", "–"],
    [0, 15e-6, 85e-5, 0.00099996, 0.00994, 0.00995, 0.0994, 0.0996, 0.9994, 0.9996, 12.5, NaN].map(duration),
  );
});

test("an axis says no digits that say nothing", () => {
  equal(["100 µs", "1 ms", "10 ms", "2.5 ms", "100 ms", "1 s"], [1e-4, 1e-3, 1e-2, 25e-4, 0.1, 1].map(tick));
});

test("only all is 100%", () => {
  equal(["100%", "99.9%", "0.0%", "50.0%", "–"], [1, 0.99999, 0, 0.5, NaN].map(percent));
});

test("counts and sizes are for reading", () => {
  equal(["0", "3.2", "150", "12,345", "–"], [0, 3.21, 149.7, 12345, NaN].map(count));
  equal(["0 B", "999 B", "1.0 kB", "268 MB", "1.5 GB", "–"], [0, 999, 1000, 268435456, 1.5e9, NaN].map(size));
});

test("a logarithmic axis goes from power to power of ten", () => {
  equal([0.001, 0.01, 0.1], decades(0.002, 0.05));
  equal([0.001, 0.01], decades(0.001, 0.001));
  equal([0.0001, 0.001, 0.01], decades(0.0001, 0.01));
  const { place } = logAxis(0.001, 0.1);
  equal([1, 0.5, 0], [0.001, 0.01, 0.1].map((value) => Math.round(place(value) * 1e6) / 1e6));
});

test("a linear axis has a few round numbers, the last no less than what is shown", () => {
  equal([0, 1], rounds(0));
  equal([0, 0.001, 0.002, 0.003], rounds(0.0024));
  equal([0, 5, 10], rounds(7));
  equal([0, 100, 200, 300], rounds(300));
  for (let most = 1e-6; most < 1e6; most *= 1.37) {
    const ticks = rounds(most);
    equal(true, ticks[ticks.length - 1] >= most * (1 - 1e-9) && ticks.length <= 5);
  }
  equal([1, 0], [0, 10].map(linearAxis(7).place));
});
