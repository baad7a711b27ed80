import { asAnswer } from "../answer.js";
import { equal, test } from "./harness.js";

const KEY = { text: "egg", keyAt: 5, sentAt: 6, edit: false, submit: false };

test("an answer joins the server's message and the keystroke that asked", () => {
  const hit = { id: "x", score: 1, title: "t", text: "b", url: "u", copies: 3, marks: { title: [[0, 1]], text: [] } };
  equal(
    { seq: 3, text: "egg", hits: [hit], weak: true, submit: false, ready: false, keyAt: 5, sentAt: 6, timing: { total: 7 } },
    asAnswer({ seq: 3, hits: [hit], weak: true, timing_us: { total: 7 } }, KEY),
  );
});

test("hits of a wrong shape become hits of the right one", () => {
  const { hits } = asAnswer({ seq: 1, hits: [null, { copies: 1.5 }, { copies: "3", id: 7, title: {}, text: ["x"], url: 1, marks: { title: [[0, 1], 2], text: 3 } }] }, KEY);
  const empty = { id: "", score: 0, title: "", text: "", url: "", copies: 1, marks: { title: [], text: [] } };
  equal([empty, empty, { ...empty, id: "7", marks: { title: [[0, 1]], text: [] } }], hits);
});

test("what the server leaves out or gets wrong is empty", () => {
  for (const message of [{}, { hits: "x", ready: 1, timing_us: null }, { hits: [], weak: true }, { hits: {}, weak: 1, ready: "true", timing_us: 3 }]) {
    const { hits, weak, ready, sentAt, timing } = asAnswer(message, { ...KEY, sentAt: undefined });
    equal([[], false, false, null, {}], [hits, weak, ready, sentAt, timing]);
  }
});
