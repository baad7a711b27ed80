import { Backoff } from "../backoff.js";
import { equal, test } from "./harness.js";
import { start } from "./world.js";

const certain = () => new Backoff(() => 1);

test("the wait doubles with each failure, up to a limit", () => {
  const backoff = certain();
  equal([250, 500, 1000, 2000, 4000, 8000, 8000], Array.from({ length: 7 }, () => backoff.failed(false)));
});

test("while HTTP works the limit is higher", () => {
  const backoff = certain();
  for (let i = 0; i < 6; i += 1) backoff.failed(true);
  equal([16000, 30000, 30000], Array.from({ length: 3 }, () => backoff.failed(true)));
});

test("half of the wait is random", () => {
  equal([125, 250], [new Backoff(() => 0).failed(false), certain().failed(false)]);
});

test("a server that restarts is tried soon, at a random moment, and once", () => {
  const backoff = certain();
  equal([100, 500, 1000], Array.from({ length: 3 }, () => backoff.failed(false, true)));
  equal(0, new Backoff(() => 0).failed(false, true));
});

test("an answer starts the back-off over", () => {
  const backoff = certain();
  backoff.failed(false);
  backoff.failed(false);
  backoff.succeeded();
  equal(250, backoff.failed(false));
});

test("a connection starts it over only if it lasted", () => {
  const backoff = certain();
  backoff.failed(false);
  backoff.lasted(10000);
  equal(500, backoff.failed(false));
  backoff.lasted(10001);
  equal(250, backoff.failed(false));
});

test("HTTP is worth a try after two failures, until an answer comes", () => {
  const backoff = certain();
  backoff.failed(false);
  equal(false, backoff.blocked);
  backoff.failed(false);
  equal(true, backoff.blocked);
  backoff.lasted(60000);
  equal(true, backoff.blocked);
  backoff.succeeded();
  equal(false, backoff.blocked);
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
