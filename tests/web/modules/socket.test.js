import { dial } from "../socket.js";
import { equal, test } from "./harness.js";
import { start, World } from "./world.js";

/** A socket in a world, and what it has reported. */
function dialled({ due = false } = {}) {
  const world = new World();
  const seen = [];
  const socket = dial("ws://test/v1/type", world.around, {
    opened: () => seen.push("opened"),
    heldUp: () => seen.push("held up"),
    received: (message) => {
      seen.push(message);
      return due;
    },
    lost: (code) => seen.push(code),
  });
  return { world, seen, socket };
}

test("it dials by the subprotocol typeahead.v1 and speaks JSON", () => {
  const { world, seen, socket } = dialled();
  equal(["ws://test/v1/type", "typeahead.v1"], [world.socket.url, world.socket.protocol]);
  world.open();
  socket.send({ a: 1 });
  world.say({ b: 2 });
  world.cut(1012);
  equal([[{ a: 1 }], ["opened", { b: 2 }, 1012]], [world.socket.sent, seen]);
});

test("a connection that is not made counts as held up after two seconds, as lost after ten", () => {
  const { world, seen } = dialled();
  world.pass(1999);
  equal([], seen);
  world.pass(1);
  equal(["held up"], seen);
  world.pass(7999);
  equal(["held up"], seen);
  world.pass(1);
  equal(["held up", 0], seen);
});

test("a connection that is open is neither held up nor lost, however long nothing is said", () => {
  const { world, seen } = dialled();
  world.open();
  world.pass(600000);
  equal(["opened"], seen);
});

test("it is lost if an answer that is due does not come in five seconds", () => {
  const { world, seen, socket } = dialled();
  world.open();
  socket.expect();
  world.pass(3000);
  socket.expect();
  world.pass(1999);
  equal(["opened"], seen);
  world.pass(1);
  equal(["opened", 0], seen);
});

test("each answer gives the next one its five seconds", () => {
  const { world, seen, socket } = dialled({ due: true });
  world.open();
  socket.expect();
  world.pass(4000);
  world.say({});
  world.pass(4999);
  equal(["opened", {}], seen);
  world.pass(1);
  equal(["opened", {}, 0], seen);
});

test("once closed it reports nothing more", () => {
  const { world, seen, socket } = dialled({ due: true });
  socket.expect();
  socket.close();
  world.open();
  world.say({});
  world.cut();
  world.pass(60000);
  equal([true, []], [world.socket.closed, seen]);
});

test("a socket that is closed by what it reports starts no timer", () => {
  const world = new World();
  const socket = dial("ws://test/", world.around, {
    opened() {},
    heldUp() {},
    received() {
      socket.close();
      return true;
    },
    lost() {},
  });
  world.open();
  world.say({});
  equal([], world.timers);
});

test("frames that are no messages are ignored", () => {
  const { world, seen } = dialled();
  for (const data of ["", "{", "null", "3", '"x"', new ArrayBuffer(8)]) {
    world.socket.dispatchEvent(new MessageEvent("message", { data }));
  }
  equal([], seen);
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
