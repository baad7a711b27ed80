import { ClientTimings } from "../timings.js";
import { equal, test } from "./harness.js";

/** Surroundings in which time, frames and the network are the test's. */
class Desk {
  now = 0;
  frames = [];
  timers = new Map();
  sent = [];
  status = 204;
  hidden = false;
  token = null;
  source = new EventTarget();

  constructor() {
    this.timings = new ClientTimings(this.source, "./v1/client-timings", {
      token: () => this.token,
      around: {
        now: () => this.now,
        afterFrame: (callback) => this.frames.push(callback),
        setTimeout: (callback, ms) => {
          const timer = {};
          this.timers.set(timer, { callback, ms });
          return timer;
        },
        clearTimeout: (timer) => this.timers.delete(timer),
        fetch: async (url, request) => {
          this.sent.push({ url, request, report: JSON.parse(request.body) });
          if (this.status === 0) throw new TypeError("no network");
          return { status: this.status };
        },
        hidden: () => this.hidden,
      },
    });
  }

  /** An answer comes 5 ms after its key was sent, and is painted 10 ms later. */
  answer({ keyAt = this.now, submit = false, sentAt = this.now + 1, timing = { total: 2000 } } = {}) {
    this.now += 6;
    this.source.dispatchEvent(new CustomEvent("hits", { detail: { keyAt, sentAt, submit, timing, text: "secret", hits: [] } }));
    this.now += 10;
    for (const frame of this.frames.splice(0)) frame();
  }

  async later() {
    for (const [timer, { callback }] of [...this.timers]) {
      this.timers.delete(timer);
      callback();
    }
    await null;
    await null;
    await null;
  }

  get wait() {
    return [...this.timers.values()].map(({ ms }) => ms);
  }
}

test("timings go out in a batch, some seconds later, and nothing but numbers", async () => {
  const desk = new Desk();
  desk.answer();
  desk.answer({ submit: true });
  equal([[], [10000]], [desk.sent, desk.wait]);
  await desk.later();
  const [{ url, request, report }] = desk.sent;
  equal({ round_trip_ms: [5, 5], network_ms: [3, 3], key_to_paint_ms: [16], enter_to_paint_ms: [16] }, report);
  equal(["./v1/client-timings", "POST", true, { "content-type": "application/json" }], [url, request.method, request.keepalive, request.headers]);
  equal(false, request.body.includes("secret"));
  equal([], desk.wait);
});

test("the token goes along, in a header", async () => {
  const desk = new Desk();
  desk.token = "abc";
  desk.answer();
  await desk.later();
  equal("Bearer abc", desk.sent[0].request.headers.authorization);
});

test("what nobody's key asked for, and what nobody saw, is not counted", async () => {
  const desk = new Desk();
  desk.answer({ keyAt: null });
  desk.hidden = true;
  desk.answer();
  desk.timings.flush();
  equal([], desk.sent);
});

test("an answer without a round trip of its own, over HTTP say, has only what was felt", async () => {
  const desk = new Desk();
  desk.answer({ sentAt: null });
  await desk.later();
  equal({ key_to_paint_ms: [16] }, desk.sent[0].report);
});

test("a batch that is full goes at once", () => {
  const desk = new Desk();
  for (let at = 0; at < 250; at += 1) desk.answer();
  equal(true, desk.sent.length >= 2);
  for (const { report } of desk.sent) for (const values of Object.values(report)) equal(true, values.length <= 100);
});

test("a server that has too much to do is told less often, and more often again later", async () => {
  const desk = new Desk();
  desk.status = 429;
  for (const wait of [10000, 20000, 40000, 80000, 160000, 320000, 320000]) {
    desk.answer();
    equal([wait], desk.wait);
    await desk.later();
  }
  desk.status = 204;
  desk.answer();
  await desk.later();
  desk.answer();
  equal([10000], desk.wait);
});

test("a server that takes no reports is told no more", async () => {
  const desk = new Desk();
  desk.status = 404;
  desk.answer();
  await desk.later();
  desk.answer();
  desk.timings.flush();
  equal([1, []], [desk.sent.length, desk.wait]);
});

test("a server that asks for a token may still be given one", async () => {
  const desk = new Desk();
  desk.status = 401;
  desk.answer();
  await desk.later();
  desk.token = "right";
  desk.status = 204;
  desk.answer();
  await desk.later();
  equal(2, desk.sent.length);
});

test("no network loses a report and nothing else", async () => {
  const desk = new Desk();
  desk.status = 0;
  desk.answer();
  await desk.later();
  desk.status = 204;
  desk.answer();
  await desk.later();
  equal([1, 1], desk.sent.map(({ report }) => report.key_to_paint_ms.length));
});

test("the end sends what is left", () => {
  const desk = new Desk();
  desk.answer();
  desk.timings.stop();
  desk.answer();
  equal([1, []], [desk.sent.length, desk.wait]);
});
