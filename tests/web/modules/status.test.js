import { build, MESSAGES } from "../markup.js";
import { createStatus } from "../status.js";
import { equal, test } from "./harness.js";

/** A status line in no page. */
function drawn({ figures = true, busy = () => false } = {}) {
  const parts = build(document.createElement("div").attachShadow({ mode: "open" }));
  return { parts, status: createStatus(parts, { figures, messages: MESSAGES }, busy) };
}

function answer(more = {}) {
  return { hits: [{}, {}], submit: false, ready: false, keyAt: performance.now(), ...more };
}

/** Run `body` while timers wait in a list of [callback, ms]; a cleared one becomes null. */
function withTimers(body) {
  const real = [globalThis.setTimeout, globalThis.clearTimeout];
  const timers = [];
  globalThis.setTimeout = (callback, ms) => timers.push([callback, ms]);
  globalThis.clearTimeout = (timer) => { if (timer > 0) timers[timer - 1] = null; };
  try {
    body(timers);
  } finally {
    [globalThis.setTimeout, globalThis.clearTimeout] = real;
  }
}

test("the connection is named, with the number of documents once it is open", () => {
  const { parts, status } = drawn();
  status.refresh("connecting", 3);
  equal(["Connecting…", "connecting"], [parts.connection.textContent, parts.box.dataset.state]);
  status.refresh("open", 1234);
  equal(`Connected · ${MESSAGES.documents(1234)}`, parts.connection.textContent);
  status.refresh("open", null);
  equal("Connected", parts.connection.textContent);
});

test("without figures the line is shown only in trouble", () => {
  const { parts, status } = drawn({ figures: false });
  const hidden = (state) => {
    status.refresh(state, undefined);
    return parts.status.hidden;
  };
  equal([true, true, true, true], ["closed", "connecting", "open", "asleep"].map(hidden));
  equal([false, false, false, false], ["http", "waiting", "offline", "refused"].map(hidden));
  status.trouble({ code: "x", message: "No" });
  equal(false, hidden("open"));
  status.calm();
  equal(true, hidden("open"));
});

test("a keystroke's results are counted and timed; those of Enter or of no key are not told twice", () => {
  const { parts, status } = drawn();
  status.shown(answer({ submit: true }));
  status.shown(answer({ keyAt: null }));
  equal("", parts.figures.textContent);
  status.shown(answer());
  equal(true, /^2 results · [\d.]+ ms from key to result$/.test(parts.figures.textContent));
});

test("long times are in seconds", () => {
  const { parts, status } = drawn();
  const shown = [200, 1500, 20000].map((ms) => {
    status.shown(answer({ keyAt: performance.now() - ms }));
    return parts.figures.textContent.replace(/^2 results · (\d+)(?:\.\d)? (m?s) from.*/, "$1 $2");
  });
  equal(["200 ms", "1 s", "20 s"], shown);
});

test("Enter says whether its results were ready, and from the second on how often", () => {
  const { parts, status } = drawn();
  status.entered(answer({ submit: true, ready: true }));
  equal(["2 results · ✓ ready at Enter", true], [parts.figures.textContent, parts.figures.classList.contains("ready")]);
  status.entered(answer({ submit: true }));
  equal([true, false], [parts.figures.textContent.endsWith(" after Enter (1 of 2)"), parts.figures.classList.contains("ready")]);
});

test("without figures nothing is counted on the line", () => {
  const { parts, status } = drawn({ figures: false });
  status.shown(answer());
  equal("", parts.figures.textContent);
});

test("a problem is told in its words, or by its code, until it is calmed", () => {
  const { parts, status } = drawn();
  status.trouble({ code: "internal", message: "" });
  equal("internal", parts.figures.textContent);
  status.trouble({ code: "internal", message: "Too\nmuch" });
  equal(["Too much", true], [parts.figures.textContent, parts.figures.classList.contains("trouble")]);
  status.calm();
  equal(["", false], [parts.figures.textContent, parts.figures.classList.contains("trouble")]);
});

test("calming leaves counts alone", () => {
  const { parts, status } = drawn();
  status.entered(answer({ ready: true }));
  status.calm();
  equal("2 results · ✓ ready at Enter", parts.figures.textContent);
});

test("the sign of waiting comes after a quarter of a second, if an answer is still due", () => withTimers((timers) => {
  let busy = true;
  const { parts, status } = drawn({ busy: () => busy });
  const waiting = () => parts.box.hasAttribute("data-waiting");
  status.wait();
  const [show, ms] = timers.at(-1);
  equal([250, false], [ms, waiting()]);
  show();
  equal(true, waiting());
  busy = false;
  show();
  equal(false, waiting());
  busy = true;
  show();
  status.rest();
  equal([false, null], [waiting(), timers.at(-1)]);
}));

test("screen readers hear the last count, when the typing pauses", () => withTimers((timers) => {
  const { parts, status } = drawn();
  status.shown(answer());
  status.shown(answer({ hits: [{}] }));
  const [[speak, ms]] = timers.filter((timer) => timer !== null);
  equal([700, ""], [ms, parts.announcer.textContent]);
  speak();
  equal("1 result", parts.announcer.textContent);
}));

test("an emptied field takes back what was told and what would be said", () => withTimers((timers) => {
  const { parts, status } = drawn();
  status.entered(answer({ ready: true }));
  parts.announcer.textContent = "before";
  status.reset();
  equal(["", false, "", 0], [
    parts.figures.textContent, parts.figures.classList.contains("ready"), parts.announcer.textContent,
    timers.filter((timer) => timer !== null).length,
  ]);
}));

test("screen readers hear that the results are poor", () => withTimers((timers) => {
  const { parts, status } = drawn();
  status.shown(answer({ weak: true }));
  timers.at(-1)[0]();
  equal("No good match. Closest results: 2 results", parts.announcer.textContent);
}));

test("results that are stale or not all are told of in a quiet line, with figures and without", () => {
  const line = (figures, state, stale = true, partial = false) => {
    const { parts, status } = drawn({ figures });
    status.refresh(state, 3, { stale, partial });
    return [parts.status.hidden, parts.connection.textContent, parts.box.hasAttribute("data-doubt")];
  };
  equal([false, "Results may be out of date", true], line(false, "open"));
  equal([false, "Connected · 3 documents · Results may be out of date", true], line(true, "open"));
  equal([false, `${MESSAGES.waiting} · Results may be out of date`, true], line(false, "waiting"));
  equal([true, "Connected · 3 documents", false], line(false, "open", false));
  equal([false, "Some results may be missing", true], line(false, "open", false, true));
  equal([false, "Results may be out of date · Some results may be missing", true], line(false, "open", true, true));
});

test("screen readers hear once that results are stale, and again after they were not", () => withTimers((timers) => {
  const { parts, status } = drawn();
  const said = (stale) => {
    status.shown(answer({ stale }));
    timers.at(-1)[0]();
    return parts.announcer.textContent;
  };
  const told = "2 results. Results may be out of date";
  equal([told, "2 results", "2 results", told], [true, true, false, true].map(said));
}));
