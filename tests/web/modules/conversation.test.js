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

test("a server that stays overloaded is asked ever later, up to a limit, until it answers", () => {
  const { world, client } = start();
  client.update("egg");
  const waits = [];
  const refuse = () => {
    const [before, count] = [world.time, world.sent.length];
    world.say({ error: { code: "overloaded", message: "later" }, seq: world.sent.at(-1).seq });
    while (world.sent.length === count) world.pass(5);
    waits.push(world.time - before);
  };
  for (let i = 0; i < 5; i += 1) refuse();
  world.say({ seq: world.sent.at(-1).seq, hits: [] });
  client.update("eggs");
  refuse();
  equal([375, 750, 1500, 3000, 3000, 375], waits);
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

const FRANCE = { country: "France" };
const BAD_FILTER = { code: "bad_filter", message: "no" };

test("the filter goes with the hello, and with the next key when it changes; null takes it back", () => {
  const { world, client } = start({ hello: { k: 8, filter: FRANCE } });
  client.update("a");
  client.filter = { country: "Spain" };
  client.update("ab");
  client.filter = null;
  equal([
    { hello: { k: 8, filter: FRANCE } },
    { seq: 1, text: "a" },
    { seq: 2, text: "a", filter: { country: "Spain" } },
    { seq: 3, text: "ab" },
    { seq: 4, text: "ab", filter: null },
  ], world.socket.sent);
});

test("a filter that changes while nothing is typed waits for the first key", () => {
  const { world, client } = start();
  client.filter = FRANCE;
  equal([[], false], [world.sent, client.busy]);
  client.update(LONG);
  client.update(`${LONG}s`);
  equal([{ seq: 1, text: LONG, filter: FRANCE }, { seq: 2, edit: { at: 31, del: 0, ins: "s" } }], world.sent);
});

test("the same filter again changes nothing", () => {
  const { world, client } = start();
  client.update("a");
  client.filter = FRANCE;
  client.filter = { ...FRANCE };
  equal(2, world.sent.length);
});

test("an answer of another filter is dropped, even if the filter changes back", () => {
  const { world, client, seen } = start();
  client.update("a");
  client.filter = FRANCE;
  client.filter = null;
  client.filter = FRANCE;
  for (const seq of [1, 2, 3]) world.say({ seq, hits: [] });
  equal([2], seen.hits.map((answer) => answer.seq));
  client.filter = null;
  client.filter = { country: "Spain" };
  client.filter = null;
  world.say({ seq: 5, hits: [] });
  world.say({ seq: 6, hits: [] });
  world.say({ seq: 7, hits: [] });
  equal([2, 5, 7], seen.hits.map((answer) => answer.seq));
});

test("after a reconnection the hello has the newest filter", () => {
  const { world, client } = start({ hello: { k: 8, filter: FRANCE } });
  client.update("a");
  client.filter = { country: "Spain" };
  world.cut();
  world.pass(250);
  world.open();
  equal([{ hello: { k: 8, filter: { country: "Spain" } } }, { seq: 3, text: "a" }], world.socket.sent);
});

test("a filter that is none is reported, and nothing is searched until there is one", () => {
  const { world, client, seen } = start();
  client.update("a");
  client.filter = { tenant: undefined };
  client.update("ab");
  client.submit();
  world.say({ seq: 1, hits: [{ id: "x" }] });
  equal([["bad_filter"], "bad_filter", false, 1, []], [seen.problems, client.barred.code, client.busy, world.sent.length, seen.hits]);
  client.filter = FRANCE;
  equal([{ seq: 2, text: "ab", filter: FRANCE }, null], [world.sent[1], client.barred]);
});

test("a filter that the server refuses stops the searching, and is not sent again with each key", () => {
  for (const code of ["bad_filter", "unknown_field", "unsupported_filter"]) {
    const { world, client, seen } = start();
    client.update("a");
    client.filter = FRANCE;
    client.update("ab");
    world.say({ seq: 2, error: { code, message: "no" } });
    world.say({ seq: 3, hits: [{ id: "unfiltered" }] });
    equal([2, [code], []], [world.sent.length - 1, seen.problems, seen.hits]);
    client.update("abc");
    equal([3, false, code], [world.sent.length, client.busy, client.barred.code]);
    client.filter = null;
    equal({ seq: 4, text: "abc", filter: null }, world.sent[3]);
  }
});

test("a refused filter that has changed meanwhile is nobody's", () => {
  const { world, client, seen } = start();
  client.update("a");
  client.filter = { country: 1 };
  client.filter = FRANCE;
  world.say({ seq: 2, error: BAD_FILTER });
  equal([{ seq: 4, text: "a", filter: FRANCE }, []], [world.sent.at(-1), seen.problems]);
});

test("a refused hello with a filter stops the searching; another filter gets a connection of its own", () => {
  for (const code of ["bad_filter", "bad_hello", "bad_message"]) {
    const { world, client, seen } = start({ hello: { k: 8, filter: FRANCE } });
    client.update("a");
    world.say({ error: { code, message: "no" } });
    world.say({ seq: 1, hits: [{ id: "unfiltered" }] });
    client.update("ab");
    equal([[code], [], 1], [seen.problems, seen.hits, world.sent.length]);
    client.filter = { country: "Spain" };
    world.open();
    equal([{ hello: { k: 8, filter: { country: "Spain" } } }, { seq: 2, text: "ab" }], world.socket.sent);
  }
});

test("a refused hello without a filter is reported, and the searching goes on", () => {
  const { world, client, seen } = start();
  client.update("a");
  world.say({ error: { code: "bad_hello", message: "no" } });
  world.say({ seq: 1, hits: [] });
  equal([["bad_hello"], 1], [seen.problems, seen.hits.length]);
});

test("an overloaded server gets the filter once more", () => {
  const { world, client } = start();
  client.update(LONG);
  client.filter = FRANCE;
  world.say({ seq: 2, error: { code: "overloaded", message: "later" } });
  client.update(`${LONG}s`);
  equal({ seq: 3, text: `${LONG}s`, filter: FRANCE }, world.sent[2]);
});

test("with facets an empty text is asked, too: at once, and after each change of the filter", () => {
  const { world, client, seen } = start({ hello: { facets: ["country"] } });
  equal([{ seq: 1, text: "" }], world.sent);
  const facets = { country: { values: [{ value: "France", count: 3 }] } };
  world.say({ seq: 1, hits: [], facets, facets_over: "filter" });
  equal([{ country: { ...facets.country, more: false } }, "filter", false], [seen.hits[0].facets, seen.hits[0].facetsOver, client.busy]);
  client.filter = FRANCE;
  equal({ seq: 2, text: "", filter: FRANCE }, world.sent[1]);
});

/** `count` hits, from this one on. */
function hits(count, from = 0) {
  return Array.from({ length: count }, (_, at) => ({ id: `${from + at}` }));
}

/** A client with a full page of hits, and how many each answer has. */
function paged() {
  const made = start({ hello: { k: 2 } });
  made.client.update("a");
  made.world.say({ seq: 1, hits: hits(2), version: "5" });
  made.pages = () => made.seen.hits.map(({ hits, offset, more }) => [hits.length, offset, more]);
  return made;
}

test("a full page may have a next one, which is appended; the last one is not full", () => {
  const { world, client, seen, pages } = paged();
  equal([true, false], [client.more(), client.more()]);
  equal([{ seq: 2, text: "a", offset: 2 }, true], [world.sent[1], client.busy]);
  world.say({ seq: 2, hits: hits(2, 2), version: "5" });
  client.more();
  world.say({ seq: 3, hits: hits(1, 4), version: "5" });
  equal([[2, 0, true], [4, 2, true], [5, 4, false]], pages());
  equal(["0", "1", "2", "3", "4"], seen.hits[2].hits.map(({ id }) => id));
  equal([false, false], [client.more(), client.busy]);
});

test("there is no more before the answer, nor after a page that is not full", () => {
  const { world, client } = start();
  equal(false, client.more());
  client.update("a");
  equal(false, client.more());
  world.say({ seq: 1, hits: hits(7) });
  equal([false, 1], [client.more(), world.sent.length]);
});

test("a page is full by the server's k", () => {
  const { world, client } = start({ hello: { k: 50 } });
  world.say({ hello: { k: 2 } });
  client.update("a");
  world.say({ seq: 1, hits: hits(2) });
  equal(true, client.more());
});

test("a page of an older text or filter is dropped", () => {
  for (const change of [(client) => client.update("ab"), (client) => { client.filter = FRANCE; }]) {
    const { world, client, pages } = paged();
    client.more();
    change(client);
    world.say({ seq: 2, hits: hits(2, 2), version: "5" });
    world.say({ seq: 3, hits: hits(1), version: "5" });
    equal([[[2, 0, true], [1, 0, false]], false], [pages(), client.busy]);
  }
});

test("a page of other documents is dropped, and the first one is asked again", () => {
  const { world, client, pages } = paged();
  client.more();
  world.say({ seq: 2, hits: hits(2, 2), version: "6" });
  equal({ seq: 3, text: "a" }, world.sent[2]);
  world.say({ seq: 3, hits: hits(2), version: "6" });
  equal([[2, 0, true], [2, 0, true]], pages());
  client.more();
  equal({ seq: 4, text: "a", offset: 2 }, world.sent[3]);
});

test("Enter and a reconnection keep the pages, as long as the documents are the same", () => {
  const { world, client, pages } = paged();
  client.more();
  world.say({ seq: 2, hits: hits(1, 2), version: "5" });
  client.submit();
  world.say({ seq: 4, hits: hits(2), version: "5", submit: true });
  world.cut();
  world.pass(250);
  world.open();
  world.say({ seq: 5, hits: hits(2), version: "5" });
  equal([[3, 0, false], [3, 0, false]], pages().slice(2));
  client.update("b");
  client.update("a");
  world.say({ seq: 6, hits: hits(1), version: "5" });
  world.say({ seq: 7, hits: hits(2), version: "5" });
  equal([2, 0, true], pages().at(-1));
});

test("Enter asks for the first page, not for the one that was asked last", () => {
  const { world, client } = paged();
  client.more();
  world.say({ seq: 2, hits: hits(1, 2), version: "5" });
  client.submit();
  equal([{ seq: 3, text: "a" }, { seq: 4, submit: true }], world.sent.slice(2));
  client.submit();
  equal({ seq: 5, submit: true }, world.sent[4]);
});

test("a page that an Enter overtook is asked again", () => {
  const { world, client, pages } = paged();
  client.more();
  client.submit();
  world.say({ seq: 4, hits: hits(2), version: "5", submit: true });
  equal({ seq: 5, text: "a", offset: 2 }, world.sent[4]);
  world.say({ seq: 5, hits: hits(1, 2), version: "5" });
  equal([[3, 2, false], false], [pages().at(-1), client.busy]);
});

test("a page that a lost connection took is asked again", () => {
  const { world, client, pages } = paged();
  client.more();
  world.cut();
  world.pass(250);
  world.open();
  equal([{ seq: 3, text: "a" }, { seq: 4, text: "a", offset: 2 }], world.sent);
  world.say({ seq: 3, hits: hits(2), version: "5" });
  world.say({ seq: 4, hits: hits(1, 2), version: "5" });
  equal([[3, 2, false], false], [pages().at(-1), client.busy]);
});

test("a server that refuses a page has no more, and the hits stand", () => {
  const { world, client, seen, pages } = paged();
  client.more();
  world.say({ seq: 2, error: { code: "bad_message", message: "no" } });
  equal([["bad_message"], [2, 2, false], false, 2], [seen.problems, pages().at(-1), client.busy, world.sent.length]);
});

test("an overloaded server is asked for the page again", () => {
  const { world, client } = paged();
  client.more();
  world.say({ seq: 2, error: { code: "overloaded", message: "later" } });
  world.pass(1000);
  equal({ seq: 3, text: "a", offset: 2 }, world.sent[2]);
});
