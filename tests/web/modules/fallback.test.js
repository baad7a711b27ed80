import { equal, test } from "./harness.js";
import { settled, start } from "./world.js";

const HIT = { id: "x", score: 1, title: "t", text: "b", url: "u", copies: 1, marks: { title: [[0, 1]], text: [] } };

/** A client whose websocket was refused twice, with a text. */
function blocked({ text = "egg", ...options } = {}) {
  const made = start({ open: false, ...options });
  made.client.update(text, 5);
  made.world.cut();
  made.world.pass(250);
  made.world.cut();
  made.world.pass(0);
  return made;
}

/** The same, and HTTP has answered. */
async function overHttp(options) {
  const made = blocked(options);
  await made.world.reply({ hits: [HIT] });
  return made;
}

test("one failed connection is no reason to ask over HTTP", () => {
  const { world, client } = start({ open: false });
  client.update("egg");
  world.cut();
  world.pass(249);
  equal(0, world.asked.length);
});

test("after two, what was typed is asked over HTTP, beside the websocket's address", async () => {
  const { world, client, seen } = blocked();
  const [{ url, init, query }] = world.asked;
  equal(["http://test/v1/search", "POST", { query: "egg", k: 8 }], [url, init.method, query]);
  equal(true, client.busy);
  await world.reply({ hits: [HIT], timing_us: { total: 7 } });
  const [{ text, hits, keyAt, timing, submit }] = seen.hits;
  equal(["egg", [HIT], 5, { total: 7 }, false], [text, hits, keyAt, timing, submit]);
  equal(["http", false], [client.state, client.busy]);
});

test("nothing is asked while there is nothing to ask", () => {
  const { world } = blocked({ text: "" });
  world.pass(60000);
  equal(0, world.asked.length);
});

test("a websocket that is held up is not waited for", () => {
  const { world, client } = start({ open: false });
  client.update("egg");
  world.pass(2000);
  equal([1, "connecting"], [world.asked.length, client.state]);
});

test("over HTTP a key waits for the next one, and Enter for nothing", async () => {
  const { world, client } = await overHttp();
  client.update("egg s");
  world.pass(100);
  client.update("egg so");
  world.pass(119);
  equal(0, world.asked.length);
  world.pass(1);
  equal(["egg so"], world.asked.map((asked) => asked.query.query));
  await world.reply({ hits: [] });
  client.update("egg soup");
  client.submit();
  world.pass(0);
  equal(["egg soup"], world.asked.map((asked) => asked.query.query));
});

test("one search is under way at a time, and the next asks for the newest text", async () => {
  const { world, client, seen } = await overHttp();
  client.update("eggs");
  world.pass(120);
  client.update("eggs b");
  world.pass(120);
  client.update("eggs bo");
  world.pass(120);
  equal(["eggs"], world.asked.map((asked) => asked.query.query));
  await world.reply({ hits: [] });
  world.pass(120);
  equal(["eggs bo"], world.asked.map((asked) => asked.query.query));
  await world.reply({ hits: [] });
  equal(["egg", "eggs", "eggs bo"], seen.hits.map((answer) => answer.text));
});

test("Enter on results that stand is answered by them, as ready; on others by a search", async () => {
  const { world, client, seen } = await overHttp();
  client.submit(9);
  world.pass(0);
  equal([0, true, true, 9, [HIT]], [world.asked.length, seen.hits[1].submit, seen.hits[1].ready, seen.hits[1].keyAt, seen.hits[1].hits]);
  client.update("eggs");
  client.submit();
  world.pass(0);
  await world.reply({ hits: [] });
  equal(["eggs", true, false, false], [seen.hits[2].text, seen.hits[2].submit, seen.hits[2].ready, client.busy]);
});

test("a websocket that works again takes over, with the whole text", async () => {
  const { world, client, seen } = await overHttp();
  client.update("eggs");
  world.pass(120);
  world.open();
  equal("open", client.state);
  equal([{ text: "eggs" }], world.sent.map(({ text }) => ({ text })));
  await settled();
  world.say({ seq: world.sent[0].seq, hits: [] });
  equal(["egg", "eggs"], seen.hits.map((answer) => answer.text));
});

test("once HTTP has answered the websocket is tried at once, then ever more rarely", async () => {
  const { world, client } = await overHttp();
  equal(3, world.sockets.length);
  for (let i = 0; i < 12; i += 1) {
    world.cut();
    world.pass(30000);
  }
  const dialled = world.sockets.length;
  world.cut();
  world.pass(29999);
  equal([dialled, "http"], [world.sockets.length, client.state]);
});

test("where HTTP finds no server either, the client waits and asks again with the next try", async () => {
  const { world, client, seen } = blocked();
  await world.fail();
  equal(["waiting", []], [client.state, seen.problems]);
  world.pass(500);
  world.cut();
  world.pass(0);
  equal(["egg"], world.asked.map((asked) => asked.query.query));
});

test("a proxy's page is no answer, and neither is a server that is not ready", async () => {
  for (const [body, status] of [["<html>", 200], ["<html>", 403], [{ error: { message: "starting" } }, 503], [{}, 404]]) {
    const { world, client, seen } = blocked();
    await world.reply(body, status);
    equal(["waiting", []], [client.state, seen.problems]);
  }
});

test("a server that goes away while HTTP is used is waited for", async () => {
  const { world, client } = await overHttp();
  client.update("eggs");
  world.pass(120);
  await world.fail();
  equal("waiting", client.state);
});

test("a search that is not answered in five seconds is given up", async () => {
  const { world, client } = await overHttp();
  client.update("eggs");
  world.pass(120);
  world.pass(5000);
  await settled();
  equal([true, "waiting"], [world.asked[0].init.signal.aborted, client.state]);
});

test("the token goes into a header; a wrong one stops the asking until there is another", async () => {
  const { world, client, seen } = blocked({ hello: { k: 8, token: "wrong" } });
  equal("Bearer wrong", world.asked[0].init.headers.authorization);
  await world.reply({ error: { message: "no", code: "invalid_api_key" } }, 401);
  equal(["refused", ["unauthorized"]], [client.state, seen.problems]);
  world.pass(60000);
  equal(0, world.asked.length);
  client.token = "right";
  world.pass(0);
  equal("Bearer right", world.asked[0].init.headers.authorization);
  await world.reply({ hits: [HIT] });
  equal("http", client.state);
});

test("a text that is refused over HTTP is reported and not asked again", async () => {
  const { world, client, seen } = await overHttp();
  client.update("eggs");
  world.pass(120);
  await world.reply({ error: { message: "too long", code: "text_too_long" } }, 400);
  equal([["text_too_long"], false, 0], [seen.problems, client.busy, world.asked.length]);
});

test("a text beyond the limit is not sent over HTTP either", async () => {
  const { world, client, seen } = await overHttp();
  client.update("x".repeat(513));
  world.pass(120);
  equal([["text_too_long"], 0], [seen.problems, world.asked.length]);
});

test("an emptied field asks nothing and is answered", async () => {
  const { world, client } = await overHttp();
  client.update("  ");
  world.pass(120);
  equal([0, false], [world.asked.length, client.busy]);
});

test("closed means that a search under way is given up, and its answer dropped", async () => {
  const { world, client, seen } = blocked();
  client.close();
  equal(true, world.asked[0].init.signal.aborted);
  await settled();
  equal([0, "closed"], [seen.hits.length, client.state]);
});

test("the least score goes into each search", () => {
  const { world } = blocked({ hello: { k: 8, min_score: 0.4 } });
  equal({ query: "egg", k: 8, min_score: 0.4 }, world.asked[0].query);
});

test("filter, facets and index go into each search", async () => {
  const filter = { country: "France" };
  const { world, client } = blocked({ hello: { k: 8, facets: ["country"], filter }, index: "wiki,shop" });
  equal({ query: "egg", k: 8, filter, facets: ["country"], index: "wiki,shop" }, world.asked[0].query);
  equal(["http://test/v1/search", "ws://test/v1/type?index=wiki%2Cshop"], [world.asked[0].url, world.socket.url]);
  await world.reply({ hits: [] });
  client.update("");
  world.pass(120);
  equal("", world.asked[0].query.query);
});

test("over HTTP, too, an answer of another filter is dropped, and the text is asked again", async () => {
  const { world, client, seen } = await overHttp();
  client.update("eggs");
  world.pass(120);
  client.filter = { country: "France" };
  await world.reply({ hits: [HIT] });
  world.pass(120);
  equal([["egg"], { query: "eggs", k: 8, filter: { country: "France" } }], [seen.hits.map(({ text }) => text), world.asked[0].query]);
  await world.reply({ hits: [] });
  equal(["egg", "eggs"], seen.hits.map(({ text }) => text));
});

test("a filter that is refused over HTTP stops the searching", async () => {
  const { world, client, seen } = await overHttp();
  client.filter = { country: "France" };
  world.pass(120);
  await world.reply({ error: { message: "no field country", code: "unknown_field" } }, 400);
  client.update("eggs");
  world.pass(120);
  equal([["unknown_field"], 0, false], [seen.problems, world.asked.length, client.busy]);
});

test("over HTTP, too, a full page has a next one", async () => {
  const { world, client, seen } = await overHttp({ hello: { k: 1 } });
  equal(true, client.more());
  world.pass(120);
  equal({ query: "egg", k: 1, offset: 1 }, world.asked[0].query);
  await world.reply({ hits: [] });
  client.submit();
  world.pass(0);
  equal([[1, 0, true], [1, 1, false], [1, 0, false]], seen.hits.map(({ hits, offset, more }) => [hits.length, offset, more]));
  equal([0, false, false], [world.asked.length, client.more(), client.busy]);
});

test("Enter over HTTP does not wait for a page, which comes after it", async () => {
  const { world, client, seen } = await overHttp({ hello: { k: 1 } });
  client.more();
  client.submit();
  world.pass(0);
  equal([1, true], [seen.hits.length - 1, seen.hits[1].submit]);
  world.pass(120);
  equal(1, world.asked[0].query.offset);
});
