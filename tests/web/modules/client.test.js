import { TypeaheadClient } from "../client.js";
import { equal, test } from "./harness.js";
import { start } from "./world.js";

const LONG = "how to read a file line by line";

test("the hello goes first, by the subprotocol typeahead.v1", () => {
  const { world, client } = start();
  client.update("h");
  equal("typeahead.v1", world.socket.protocol);
  equal([{ hello: { k: 8 } }, { seq: 1, text: "h" }], world.socket.sent);
});

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

test("a lone surrogate never reaches the wire", () => {
  const { world, client } = start();
  client.update("egg \ud83e");
  equal([{ seq: 1, text: "egg \uFFFD" }], world.sent);
});

test("what was typed before there was a connection is sent when there is one, whole and once", () => {
  const { world, client } = start({ open: false });
  client.update("h");
  client.update("ho");
  world.open();
  equal([{ seq: 1, text: "ho" }], world.sent);
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

test("hits of a wrong shape become hits of the right one", () => {
  const { world, client, seen } = start();
  client.update("h");
  world.say({ seq: 1, hits: [null, 3, { id: 7, title: {}, text: ["x"], url: 1 }] });
  const marks = { title: [], text: [] };
  equal({ id: "7", score: 0, title: "", text: "", url: "", marks }, seen.hits[0].hits[2]);
});

test("frames that are no messages are ignored", () => {
  const { world, seen } = start();
  for (const data of ["", "{", "null", "3", "[]", new ArrayBuffer(8)]) {
    world.socket.dispatchEvent(new MessageEvent("message", { data }));
  }
  equal([0, 0], [seen.hits.length, seen.problems.length]);
});

test("a lost connection is tried again, ever later, up to a limit", () => {
  const { world, seen } = start();
  const waits = [];
  for (let i = 0; i < 8; i += 1) {
    world.cut();
    const [before, count] = [world.time, world.sockets.length];
    while (world.sockets.length === count) world.pass(10);
    waits.push(world.time - before);
  }
  equal([250, 500, 1000, 2000, 4000, 8000, 8000, 8000], waits);
  equal(["connecting", "open", "waiting"], seen.states);
});

test("half of the wait is chance", () => {
  const { world } = start();
  world.around.random = () => 0;
  const client = new TypeaheadClient("ws://test/", { around: world.around });
  client.connect();
  world.cut();
  world.pass(124);
  equal(2, world.sockets.length);
  world.pass(1);
  equal(3, world.sockets.length);
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

test("an old connection's answers do not count on a new one", () => {
  const { world, client, seen } = start();
  client.update("h");
  const old = world.socket;
  world.cut();
  world.pass(250);
  world.open();
  old.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ seq: 1, hits: [] }) }));
  equal(0, seen.hits.length);
});

test("only an answer proves a connection good, or its having lasted", () => {
  const { world, client } = start();
  world.cut();
  world.pass(250);
  world.open();
  world.cut();
  world.pass(250);
  equal(2, world.sockets.length);
  world.pass(250);
  world.open();
  client.update("a");
  world.say({ seq: 1, hits: [] });
  world.cut();
  world.pass(250);
  equal(4, world.sockets.length);
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

test("the network's return and the page's are reasons to try at once", () => {
  const { world, seen } = start();
  world.isOnline = false;
  world.cut();
  equal("offline", seen.states.at(-1));
  dispatchEvent(new Event("online"));
  equal(2, world.sockets.length);
  world.cut();
  document.dispatchEvent(new Event("visibilitychange"));
  equal(3, world.sockets.length);
});

test("a page in the background does not dial until it is looked at", () => {
  const { world } = start();
  world.isHidden = true;
  world.cut();
  world.pass(60000);
  equal(1, world.sockets.length);
  world.isHidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  equal(2, world.sockets.length);
});

test("a server that does not answer a key is given up, and asked again elsewhere", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.pass(4999);
  equal("open", seen.states.at(-1));
  world.pass(1);
  equal(["waiting", true], [seen.states.at(-1), world.socket.closed]);
  world.pass(250);
  world.open();
  equal([{ seq: 2, text: "a" }], world.sent);
});

test("a quiet connection on which nothing is asked is left alone", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.say({ seq: 1, hits: [] });
  world.pass(600000);
  equal("open", seen.states.at(-1));
});

test("a connection that is not made in ten seconds is given up", () => {
  const { world } = start({ open: false });
  world.pass(10250);
  equal([2, true], [world.sockets.length, world.sockets[0].closed]);
});

test("a server that hangs up on a silent client is dialled again when it is needed", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.say({ seq: 1, hits: [] });
  world.cut(1000);
  world.pass(60000);
  equal(["asleep", 1], [seen.states.at(-1), world.sockets.length]);
  client.update("ab");
  world.open();
  equal([{ seq: 2, text: "ab" }], world.sent);
});

test("a token goes into the hello, never into the address", () => {
  const { world, client } = start({ open: false });
  client.token = "s3cret";
  world.open();
  equal([{ hello: { k: 8, token: "s3cret" } }], world.socket.sent);
  equal("ws://test/v1/type", world.socket.url);
});

test("a token that comes after a refusal is tried at once, with the text", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.say({ error: { code: "unauthorized", message: "no" } });
  world.cut(1008);
  equal([["unauthorized"], "refused"], [seen.problems, client.state]);
  client.token = "s3cret";
  world.open();
  equal([{ hello: { k: 8, token: "s3cret" } }, { seq: 2, text: "a" }], world.socket.sent);
  equal(2, world.sockets.length);
});

test("a token that comes between the refusal and its close is tried on a connection of its own", () => {
  const { world, client } = start();
  world.say({ error: { code: "unauthorized", message: "no" } });
  client.token = "s3cret";
  equal([2, true], [world.sockets.length, world.sockets[0].closed]);
  world.open();
  equal("open", client.state);
});

test("a server that refuses the client is not asked again by itself", () => {
  const { world, client, seen } = start();
  world.cut(1008);
  world.pass(60000);
  equal(["refused", 1], [seen.states.at(-1), world.sockets.length]);
  client.connect();
  equal(2, world.sockets.length);
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

test("new typing takes back an Enter that was not sent", () => {
  const { world, client } = start({ open: false });
  client.update("a");
  client.submit();
  client.update("ab");
  world.open();
  equal([{ seq: 1, text: "ab" }], world.sent);
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

test("a text beyond the limit that the server told is not sent; the session lives on", () => {
  const { world, client, seen } = start();
  world.say({ hello: { max_chars: 4 } });
  client.update("🥚🥚🥚🥚");
  client.update("🥚🥚🥚🥚🥚");
  client.submit();
  equal([["text_too_long", "text_too_long"], 1], [seen.problems, world.sent.length]);
  world.say({ seq: 1, hits: [] });
  equal(false, client.busy);
  client.update("🥚");
  equal([{ seq: 1, text: "🥚🥚🥚🥚" }, { seq: 2, text: "🥚" }], world.sent);
});

test("closed means closed, until connected again, with the text", () => {
  const { world, client, seen } = start();
  client.update("a");
  client.close();
  world.pass(60000);
  dispatchEvent(new Event("online"));
  equal(["closed", 1], [seen.states.at(-1), world.sockets.length]);
  client.connect();
  world.open();
  equal([{ seq: 2, text: "a" }], world.sent);
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
