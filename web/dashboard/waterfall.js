/**
 * The visitor's own query, keystroke by keystroke. Each row shows where the time went, beside what the keystroke would
 * have cost without an incremental encoder. Text typed here goes to the server, as from the search box, and nowhere
 * else.
 * @module
 */

import { TypeaheadClient } from "../client.js";
import { difference } from "../edits.js";
import { afterFrame } from "../timings.js";
import { oneLine } from "../untrusted.js";
import { KeyLog, PARTS, keyLabel } from "./keys.js";
import { byId, element, setText } from "./page.js";
import { PAUSE, asTeacher } from "./teacher.js";
import { duration } from "./units.js";

/** @typedef {import("./keys.js").Key} Key */
/** @typedef {import("./teacher.js").Teacher} Teacher */

/** @type {Record<import("../client.js").State, string>} */
const STATES = {
  closed: "Not connected.",
  connecting: "Connecting…",
  open: "Connected.",
  http: "No live connection: searching over HTTP.",
  asleep: "Asleep: wakes when you type.",
  waiting: "Connection lost: reconnecting.",
  offline: "Offline: waiting for the network.",
  refused: "The server refused the connection.",
};

/** How many rows to show, the newest ones. */
const ROWS = 24;

export class Waterfall extends EventTarget {
  #log = new KeyLog();
  /** Undefined until the server has said. @type {Teacher | null | undefined} */
  #teacher;
  #text = "";

  /** @param {string | URL} address of the websocket */
  constructor(address) {
    super();
    this.input = /** @type {HTMLInputElement} */ (byId("own-query"));
    this.body = byId("own-keys");
    this.client = new TypeaheadClient(address, { hello: { k: 8 } });
    this.client.addEventListener("hits", (event) => this.#answered(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener("statechange", () => setText(byId("own-state"), STATES[this.client.state] ?? ""));
    this.client.addEventListener("problem", (event) => {
      const { detail } = /** @type {CustomEvent<import("../types.js").Problem>} */ (event);
      if (detail.code === "unauthorized") this.dispatchEvent(new CustomEvent("unauthorized"));
      else setText(byId("own-answer"), oneLine(detail.message, 120));
    });
    this.input.addEventListener("input", (event) => this.#typed(event.timeStamp));
    byId("own-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#text.trim() === "") return;
      this.#log.entered([...this.#text].length, event.timeStamp);
      this.client.submit(event.timeStamp);
      this.#show();
    });
    addEventListener("pagehide", () => this.client.close());
    addEventListener("pageshow", (event) => { if (event.persisted) this.client.connect(); });
    this.client.connect();
  }

  /** @param {string | null} token */
  set token(token) {
    this.client.token = token;
  }

  /** The server's measurements; null if it has no full-text encoder. @param {Teacher | null} teacher */
  set teacher(teacher) {
    if (JSON.stringify(teacher) === JSON.stringify(this.#teacher)) return;
    this.#teacher = teacher;
    this.#show();
  }

  /** @param {number} keyAt */
  #typed(keyAt) {
    const text = this.input.value;
    if (text === this.#text) return;
    this.#log.typed(keyLabel(difference(this.#text, text)), [...text].length, keyAt);
    this.#text = text;
    this.client.update(text, keyAt);
    if (text === "") setText(byId("own-answer"), "");
    this.#show();
  }

  /** @param {import("./keys.js").Answer} answer */
  #answered(answer) {
    const receivedAt = performance.now();
    if (this.#text === "") return;
    const [first] = answer.hits;
    const results = answer.hits.length === 1 ? "1 result" : `${answer.hits.length} results`;
    setText(byId("own-answer"), first === undefined ? "No results." : `${results}, first: ${oneLine(first.title || first.text, 80)}`);
    byId("own-withheld").hidden = Number.isFinite(answer.timing.total);
    afterFrame(() => {
      this.#log.painted(answer, receivedAt, performance.now());
      this.#show();
    });
  }

  #show() {
    const teacher = this.#teacher ?? null;
    const { keys } = this.#log;
    const costs = teacher === null ? [] : asTeacher(keys, teacher);
    const shown = keys.slice(-ROWS);
    const shownCosts = costs.slice(-ROWS);
    // Each column has its own scale, or the parts of a keystroke could not be told apart.
    const longest = Math.max(1, ...shown.map((key) => (key.parts === null ? 0 : key.total)));
    const longestCost = Math.max(longest, ...shownCosts.map((cost) => cost?.total ?? 0));
    byId("own-table").hidden = shown.length === 0;
    byId("own-empty").hidden = shown.length > 0;
    byId("own-table").classList.toggle("alone", teacher === null);
    while (this.body.children.length > shown.length) this.body.lastElementChild?.remove();
    shown.forEach((key, at) => {
      const row = this.body.children[at] ?? this.body.appendChild(emptyRow());
      fillKey(row, key, longest);
      fillCost(row, key, shownCosts[at] ?? null, longestCost);
    });
    setText(byId("own-scale"), `0 to ${duration(longest / 1000)}`);
    setText(byId("own-teacher-scale"), `0 to ${duration(longestCost / 1000)}`);
    if (this.#teacher !== undefined) setText(byId("own-teacher"), aboutTeacher(teacher));
    setText(byId("own-summary"), summary(keys, costs, teacher));
  }
}

function emptyRow() {
  const row = element("tr");
  const heading = element("th", "key");
  heading.setAttribute("scope", "row");
  const bar = element("td", "bar");
  const track = element("div", "track");
  track.setAttribute("aria-hidden", "true");
  track.append(...PARTS.map((part) => element("i", part)));
  bar.append(track, element("span", "unseen"));
  const cost = element("td", "bar cost");
  const costTrack = element("div", "track");
  costTrack.setAttribute("aria-hidden", "true");
  costTrack.append(element("i", "wait"), element("i", "encode"), element("i", "rest"), element("b", "ours"));
  cost.append(costTrack, element("span", "unseen"));
  row.append(heading, bar, element("td", "figure"), cost, element("td", "figure cost"));
  return row;
}

/**
 * @param {Element} row
 * @param {Key} key
 * @param {number} longest in milliseconds
 */
function fillKey(row, key, longest) {
  const [heading, bar, figure] = row.children;
  setText(heading, key.label);
  const { parts } = key;
  PARTS.forEach((part, at) => {
    const piece = /** @type {HTMLElement} */ (bar.children[0].children[at]);
    piece.style.width = parts === null ? "0" : `${(100 * parts[part]) / longest}%`;
  });
  const words = parts === null ? "" : PARTS.map((part) => `${part} ${duration(parts[part] / 1000)}`).join(", ");
  setText(bar.children[1], words);
  const ready = key.submit && key.ready ? " ✓ ready" : "";
  setText(figure, parts !== null ? duration(key.total / 1000) + ready : key.overtaken ? "overtaken" : "…");
}

/**
 * @param {Element} row
 * @param {Key} key
 * @param {import("./teacher.js").Cost} cost
 * @param {number} longest in milliseconds
 */
function fillCost(row, key, cost, longest) {
  const [, , , bar, figure] = row.children;
  const pieces = /** @type {HTMLElement[]} */ ([...bar.children[0].children]);
  [cost?.wait ?? 0, cost?.encode ?? 0, cost?.rest ?? 0].forEach((ms, at) => { pieces[at].style.width = `${(100 * ms) / longest}%`; });
  pieces[3].style.width = `${cost === null || key.parts === null ? 0 : (100 * key.total) / longest}%`;
  setText(bar.children[1], cost === null ? "" : `pause ${duration(cost.wait / 1000)}, encoding ${duration(cost.encode / 1000)}, rest ${duration(cost.rest / 1000)}`);
  setText(figure, cost === null ? "not asked" : cost.total > 0 ? duration(cost.total / 1000) : "✓ ready");
}

/** @param {Teacher | null} teacher */
function aboutTeacher(teacher) {
  if (teacher === null) {
    return "Not available: this server has no full-text encoder to measure. Start it with --passage-encoder or --fallback to compare.";
  }
  const times = teacher.points.map(([chars, microseconds]) => `${duration(microseconds / 1e6)} for ${chars} characters`);
  return `${teacher.encoder}, measured once when this server started (median of ${teacher.runs} runs): ${times.join(", ")}. ` +
    `It is asked after a pause of ${PAUSE} ms or at Enter. Search, network and paint are those of your own keystrokes.`;
}

/**
 * @param {Key[]} keys
 * @param {import("./teacher.js").Cost[]} costs
 * @param {Teacher | null} teacher
 */
function summary(keys, costs, teacher) {
  const at = keys.findLastIndex((key) => key.submit && key.parts !== null);
  if (at < 0) return "";
  const [enter, last] = [keys[at], keys.slice(0, at).findLast((key) => !key.submit)];
  // Ready means that the results of the last keystroke had come. Enter's answer only repeats them.
  const stood = enter.ready && last !== undefined && last.parts !== null ? last.keyAt + last.total - enter.keyAt : enter.total;
  const cost = costs[at];
  const ours = `${enter.ready ? "Ready at Enter: the" : "The"} results were there ${beside(stood)} it.`;
  return teacher === null || !cost ? ours : `${ours} With ${teacher.encoder} after a pause: ${beside(cost.total)} Enter.`;
}

/** @param {number} ms from Enter */
function beside(ms) {
  return `${duration(Math.abs(ms) / 1000)} ${ms < 0 ? "before" : "after"}`;
}
