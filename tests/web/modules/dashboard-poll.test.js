import { Poller } from "../dashboard/poll.js";
import { equal, test } from "./harness.js";

/** A server and a clock that are the test's. */
class Desk {
  asked = [];
  timers = new Map();
  hidden = false;
  answers = [];
  states = [];
  /** @type {() => Promise<any>} */
  respond = async () => ({ ok: true, status: 200, json: async () => ({ version: 1 }) });

  constructor() {
    this.poller = new Poller("./v1/dashboard", {
      around: {
        fetch: (url, request) => {
          this.asked.push(request.headers.authorization ?? null);
          return this.respond(request);
        },
        setTimeout: (callback, ms) => {
          const timer = {};
          this.timers.set(timer, { callback, ms });
          return timer;
        },
        clearTimeout: (timer) => this.timers.delete(timer),
        hidden: () => this.hidden,
      },
    });
    this.poller.addEventListener("answer", (event) => this.answers.push(event.detail));
    this.poller.addEventListener("statechange", () => this.states.push(this.poller.state));
  }

  async settle() {
    for (let turn = 0; turn < 12; turn += 1) await null;
  }

  async wake() {
    this.poller.wake();
    await this.settle();
  }

  async later() {
    for (const [timer, { callback }] of [...this.timers]) {
      this.timers.delete(timer);
      callback();
    }
    await this.settle();
  }

  get wait() {
    return [...this.timers.values()].map(({ ms }) => ms);
  }
}

const status = (/** @type {number} */ code) => async () => ({ ok: code === 200, status: code, json: async () => ({ version: 1 }) });

test("the server is asked once a second, after its answer came", async () => {
  const desk = new Desk();
  await desk.wake();
  equal([1, [1000], ["live"]], [desk.answers.length, desk.wait, desk.states]);
  await desk.later();
  equal([2, [1000]], [desk.answers.length, desk.wait]);
});

test("a page that nobody sees asks nothing, and asks at once when it is seen", async () => {
  const desk = new Desk();
  await desk.wake();
  desk.hidden = true;
  await desk.wake();
  equal([1, [], "hidden"], [desk.asked.length, desk.wait, desk.poller.state]);
  desk.hidden = false;
  await desk.wake();
  equal([2, "live"], [desk.asked.length, desk.poller.state]);
});

test("its reader may pause it", async () => {
  const desk = new Desk();
  await desk.wake();
  desk.poller.paused = true;
  await desk.later();
  equal([1, "paused"], [desk.asked.length, desk.poller.state]);
  desk.poller.paused = false;
  await desk.settle();
  equal([2, "live"], [desk.asked.length, desk.poller.state]);
});

test("an answer that comes after the pause is not shown", async () => {
  const desk = new Desk();
  /** @type {(value: any) => void} */
  let answer = () => {};
  desk.respond = () => new Promise((resolve) => { answer = resolve; });
  desk.poller.wake();
  desk.poller.paused = true;
  answer(await status(200)());
  await desk.settle();
  equal([0, "paused", []], [desk.answers.length, desk.poller.state, desk.wait]);
});

test("a server that is away, wrong or silent is asked again later", async () => {
  for (const respond of [status(500), status(404), async () => { throw new TypeError("no network"); }, async () => ({ ok: true, status: 200, json: async () => ({ version: 2 }) })]) {
    const desk = new Desk();
    desk.respond = respond;
    await desk.wake();
    equal([0, [3000], "away"], [desk.answers.length, desk.wait, desk.poller.state]);
    desk.respond = status(200);
    await desk.later();
    equal([1, "live"], [desk.answers.length, desk.poller.state]);
  }
});

test("silence is not waited for", async () => {
  const desk = new Desk();
  desk.respond = ({ signal }) => new Promise((_, reject) => { signal.addEventListener("abort", () => reject(signal.reason)); });
  await desk.wake();
  equal([5000], desk.wait);
  await desk.later();
  equal(["away", [3000]], [desk.poller.state, desk.wait]);
});

test("a token is asked for, and the right one is used from then on", async () => {
  const desk = new Desk();
  desk.respond = status(401);
  await desk.wake();
  equal(["unauthorized", []], [desk.poller.state, desk.wait]);
  desk.poller.token = "wrong";
  await desk.settle();
  equal(["unauthorized", []], [desk.poller.state, desk.wait]);
  desk.respond = status(200);
  desk.poller.token = "right";
  await desk.settle();
  await desk.later();
  equal([[null, "Bearer wrong", "Bearer right", "Bearer right"], "live"], [desk.asked, desk.poller.state]);
});
