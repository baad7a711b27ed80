import { equal, test } from "./harness.js";
import { start } from "./world.js";

test("the hello goes first, by the subprotocol typeahead.v1", () => {
  const { world, client } = start();
  client.update("h");
  equal("typeahead.v1", world.socket.protocol);
  equal([{ hello: { k: 8 } }, { seq: 1, text: "h" }], world.socket.sent);
});

test("what was typed before there was a connection is sent when there is one, whole and once", () => {
  const { world, client } = start({ open: false });
  client.update("h");
  client.update("ho");
  world.open();
  equal([{ seq: 1, text: "ho" }], world.sent);
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

test("when the server restarts, all that has no answer yet is asked again within 100 ms, Enter included", () => {
  const { world, client, seen } = start();
  client.update("egg");
  world.say({ seq: 1, hits: [] });
  client.update("eggs");
  client.submit();
  world.cut(1012);
  client.update("eggs b");
  client.update("eggs");
  client.submit();
  world.pass(100);
  equal(2, world.sockets.length);
  world.open();
  equal([{ seq: 4, text: "eggs" }, { seq: 5, submit: true }], world.sent);
  world.say({ seq: 4, hits: [{ id: "a" }] });
  world.say({ seq: 5, submit: true, ready: true, hits: [{ id: "a" }] });
  equal([["egg", false], ["eggs", false], ["eggs", true]], seen.hits.map((hit) => [hit.text, hit.submit]));
  equal(false, client.busy);
});

test("a server that restarts again and again is not pressed", () => {
  const { world } = start();
  for (const wait of [100, 500, 1000]) {
    world.cut(1012);
    const count = world.sockets.length;
    world.pass(wait - 1);
    equal(count, world.sockets.length);
    world.pass(1);
    equal(count + 1, world.sockets.length);
    world.open();
  }
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

test("a token that expires is reported as one that is wrong, and the next one is tried with the text", () => {
  const { world, client, seen } = start({ hello: { k: 8, token: "old" } });
  world.say({ hello: { k: 8 } });
  client.update("a");
  world.cut(1008, "the token has expired");
  equal([["unauthorized"], "refused"], [seen.problems, client.state]);
  client.token = "new";
  world.open();
  equal([{ hello: { k: 8, token: "new" } }, { seq: 2, text: "a" }], world.socket.sent);
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
