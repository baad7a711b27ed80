import { filterJson, joined, names, parsed } from "../filter.js";
import { equal, test } from "./harness.js";

test("a filter is an object with plain values", () => {
  const filter = { country: "France", year: { gte: 2019 }, tags: ["a", "b"], not: { draft: true } };
  equal(JSON.stringify(filter), filterJson(filter));
  equal('{"day":"2019-01-01T00:00:00.000Z"}', filterJson({ day: new Date(Date.UTC(2019, 0)) }));
});

test("what JSON would leave out or change is no filter", () => {
  const circle = {};
  circle.self = circle;
  const wrong = [null, undefined, 3, "x", [], { tenant: undefined }, { year: { gte: NaN } }, { any: [{ a: () => 1 }] }, { a: 1n }, circle];
  equal(wrong.map(() => null), wrong.map(filterJson));
});

test("an attribute that is no JSON is told from one that is missing", () => {
  equal([null, undefined, { a: 1 }], [parsed(null), parsed("{a: 1}"), parsed('{"a": 1}')]);
  equal("undefined", typeof parsed(""));
});

test("names come with commas or as a JSON array, each once", () => {
  for (const text of ["country, tags,,country", '["country", "tags"]']) equal(["country", "tags"], names(text));
  equal([[], [], ["a,b"]], [names(null), names(" "), names('["a,b"]')]);
});

test("the page's filter and the user's choice both hold, on the same field, too", () => {
  equal([null, { a: 1 }, { b: [2] }], [joined(null, {}), joined({ a: 1 }, {}), joined(null, { b: [2] })]);
  equal({ a: 1, b: [2] }, joined({ a: 1 }, { b: [2] }));
  equal({ any: [{ a: 1 }], a: [1, 2], b: [3] }, joined({ a: 1 }, { a: [1, 2], b: [3] }));
});
