import { asAnswer } from "../answer.js";
import { equal, test } from "./harness.js";

const KEY = { text: "egg", keyAt: 5, sentAt: 6, edit: false, submit: false };

test("an answer joins the server's message and the keystroke that asked", () => {
  const hit = { id: "x", score: 1, title: "t", text: "b", url: "u", copies: 3, marks: { title: [[0, 1]], text: [] } };
  equal(
    { seq: 3, text: "egg", hits: [hit], offset: 0, more: false, facets: null, facetsOver: "filter", weak: true, stale: true, partial: true, submit: false, ready: false, keyAt: 5, sentAt: 6, timing: { total: 7 } },
    asAnswer({ seq: 3, hits: [hit], weak: true, stale: true, partial: true, timing_us: { total: 7 } }, KEY),
  );
});

test("hits of a wrong shape become hits of the right one", () => {
  const { hits } = asAnswer({ seq: 1, hits: [null, { copies: 1.5 }, { copies: "3", id: 7, title: {}, text: ["x"], url: 1, marks: { title: [[0, 1], 2], text: 3 } }] }, KEY);
  const empty = { id: "", score: 0, title: "", text: "", url: "", copies: 1, marks: { title: [], text: [] } };
  equal([empty, empty, { ...empty, id: "7", marks: { title: [[0, 1]], text: [] } }], hits);
});

test("a hit says which index has it, if the server does", () => {
  const { hits } = asAnswer({ seq: 1, hits: [{ id: "a", index: "wiki" }, { id: "a" }, { id: "a", index: 3 }] }, KEY);
  equal(["wiki", undefined, undefined], hits.map((hit) => hit.index));
});

test("facets of a wrong shape become facets of the right one", () => {
  const value = (one) => asAnswer({ facets: { year: one } }, KEY).facets.year;
  const count = { value: 2019, count: 3 };
  equal({ values: [count, { value: true, count: 0 }], more: true }, value({ values: [count, null, { value: {}, count: 1 }, { value: true, count: "x" }], more: true }));
  for (const one of [null, 3, {}, { values: {}, more: 1 }]) equal({ values: [], more: false }, value(one));
  for (const facets of [undefined, null, "x"]) equal(null, asAnswer({ facets }, KEY).facets);
  equal(["candidates", "filter"], ["candidates", 3].map((over) => asAnswer({ facets_over: over }, KEY).facetsOver));
});

test("what the server leaves out or gets wrong is empty", () => {
  for (const message of [{}, { hits: "x", ready: 1, timing_us: null }, { hits: [], weak: true }, { hits: {}, weak: 1, stale: 1, partial: 1, ready: "true", timing_us: 3 }]) {
    const { hits, weak, stale, partial, ready, sentAt, timing } = asAnswer(message, { ...KEY, sentAt: undefined });
    equal([[], false, false, false, false, null, {}], [hits, weak, stale, partial, ready, sentAt, timing]);
  }
});
