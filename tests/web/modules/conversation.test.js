import { equal, test } from "./harness.js";
import { start } from "./world.js";

const LONG = "how to read a file line by line";

test("short texts go whole, long ones as edits, and seq counts up", () => {
  const { world, client } = start();
  client.update("ho");
  client.update(LONG);
  client.update(`${LONG}s`);
  client.update(LONG);
  client.submit();
  equal([
    { seq: 1, text: "ho" },
    { seq: 2, text: LONG },
    { seq: 3, edit: { at: 31, del: 0, ins: "s" } },
    { seq: 4, edit: { at: 31, del: 1, ins: "" } },
    { seq: 5, submit: true },
  ], world.sent);
});

test("a text that did not change is not sent", () => {
  const { world, client } = start();
  client.update("a");
  client.update("a");
  equal(1, world.sent.length);
});

test("an answer carries the text and the time of its own key", () => {
  const { world, client, seen } = start();
  client.update("h", 5);
  client.update("ho", 9);
  world.say({ seq: 1, hits: [{ id: "x", score: 1, title: "t", text: "b", url: "u" }], timing_us: { total: 7 } });
  equal(["h", 5, { total: 7 }], [seen.hits[0].text, seen.hits[0].keyAt, seen.hits[0].timing]);
  equal(true, client.busy);
  world.say({ seq: 2, hits: [] });
  equal(["ho", 9, false], [seen.hits[1].text, seen.hits[1].keyAt, client.busy]);
});

test("fields that the server adds to its messages are left alone", () => {
  const { world, client, seen } = start();
  world.say({ hello: { encoder: "gru", fallback: "st", quality: "fast", more: {} } });
  client.update("h");
  world.say({ seq: 1, hits: [], encoder: "st", more: [1], timing_us: { total: 7 } });
  equal([[1, { total: 7 }], false], [[seen.hits[0].seq, seen.hits[0].timing], client.busy]);
});

test("an answer older than the newest shown is dropped", () => {
  const { world, client, seen } = start();
  client.update("h");
  client.update("ho");
  world.say({ seq: 2, hits: [] });
  world.say({ seq: 1, hits: [] });
  world.say({ seq: 2, hits: [] });
  world.say({ seq: 99, hits: [] });
  equal([2], seen.hits.map((answer) => answer.seq));
});

test("after a reconnection the whole text is sent, even in the middle of a word", () => {
  const { world, client, seen } = start();
  client.update(LONG);
  world.cut();
  client.update(`${LONG}s`);
  world.pass(250);
  world.open();
  equal([{ seq: 2, text: `${LONG}s` }], world.sent);
  client.update(`${LONG}s!`);
  equal({ seq: 3, edit: { at: 32, del: 0, ins: "!" } }, world.sent[1]);
  world.say({ seq: 3, hits: [] });
  equal([3], seen.hits.map((answer) => answer.seq));
});

test("an answer repeated for a new connection is nobody's key", () => {
  const { world, client, seen } = start();
  client.update("a", 3);
  world.say({ seq: 1, hits: [] });
  world.cut();
  world.pass(250);
  world.open();
  world.say({ seq: 2, hits: [] });
  equal([3, null], seen.hits.map((answer) => answer.keyAt));
});

test("an Enter that got no answer is asked again with its text", () => {
  const { world, client, seen } = start();
  client.update("a");
  client.submit(4);
  world.cut();
  world.pass(250);
  world.open();
  equal([{ seq: 3, text: "a" }, { seq: 4, submit: true }], world.sent);
  world.say({ seq: 4, hits: [], submit: true, ready: true });
  equal([true, true, 4], [seen.hits[0].submit, seen.hits[0].ready, seen.hits[0].keyAt]);
});

test("a refused edit is mended by the whole text, and answers built on it are dropped", () => {
  const { world, client, seen } = start();
  client.update(LONG);
  client.update(`${LONG}s`);
  client.update(`${LONG}st`);
  world.say({ error: { code: "bad_edit", message: "outside" }, seq: 2 });
  equal({ seq: 4, text: `${LONG}st` }, world.sent[3]);
  world.say({ seq: 3, hits: [] });
  world.say({ seq: 4, hits: [] });
  equal([[4], []], [seen.hits.map((answer) => answer.seq), seen.problems]);
});

test("a refused whole text is not sent again, and is reported", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.say({ error: { code: "internal", message: "no" }, seq: 1 });
  equal([["internal"], 1, false], [seen.problems, world.sent.length, client.busy]);
  client.update("ab");
  equal({ seq: 2, text: "ab" }, world.sent[1]);
});

test("an overloaded server is asked again after a while, if nobody typed on, and nothing is reported", () => {
  const { world, client, seen } = start();
  client.update(LONG);
  world.say({ error: { code: "overloaded", message: "later" }, seq: 1 });
  equal([[], true, 1], [seen.problems, client.busy, world.sent.length]);
  world.pass(1000);
  equal({ seq: 2, text: LONG }, world.sent[1]);
  world.say({ seq: 2, hits: [] });
  equal([[2], false], [seen.hits.map((answer) => answer.seq), client.busy]);
});

test("an overloaded server has the text: the next key is an edit of it, and nothing is asked twice", () => {
  const { world, client, seen } = start();
  client.update(LONG);
  world.say({ error: { code: "overloaded", message: "later" }, seq: 1 });
  client.update(`${LONG}s`);
  equal({ seq: 2, edit: { at: 31, del: 0, ins: "s" } }, world.sent[1]);
  world.say({ seq: 2, hits: [] });
  world.pass(1000);
  equal([2, [2]], [world.sent.length, seen.hits.map((answer) => answer.seq)]);
});

test("a message that answers nothing is ignored", () => {
  const { world, client, seen } = start();
  client.update("h");
  for (const message of [[], {}, { seq: "1" }, { seq: null, hits: [] }, { error: { code: "internal" }, seq: 7 }]) world.say(message);
  equal([0, [], true], [seen.hits.length, seen.problems, client.busy]);
});
