/**
 * Draws the line under the field: the connection, counts and times, and what went wrong. It also pulses the icon while
 * an answer is due, and speaks to screen readers.
 * @module
 */

import { name } from "./markup.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {ReturnType<typeof createStatus>} Status */
/** Whether results may be out of date, and whether some may be missing. @typedef {{stale: boolean, partial: boolean}} Doubt */

/** Shown any earlier, the sign of waiting would only flicker. */
const WAITING_AFTER_MS = 250;
/** A screen reader speaks when the typing pauses, not at every keystroke. */
const ANNOUNCE_AFTER_MS = 700;
/** States that are shown even if the page did not ask for figures. */
const TROUBLE = ["http", "waiting", "offline", "refused"];

/**
 * @param {import("./markup.js").Parts} parts
 * @param {import("./host.js").Host} host
 * @param {() => boolean} busy whether an answer is due
 */
export function createStatus(parts, host, busy) {
  const { announcer, box, connection, figures } = parts;
  const { classList } = figures;
  let submits = 0;
  let readySubmits = 0;
  /** What the user was told of results that may be out of date, or not all. */
  let told = "";
  /** @type {any} */
  let waitingTimer = 0;
  /** @type {any} */
  let announceTimer = 0;

  /**
   * Write all words again.
   * @param {import("./types.js").State} state
   * @param {number | null | undefined} documents how many the server searches, if it said so
   * @param {Doubt} [doubt]
   */
  function refresh(state, documents, doubt = { stale: false, partial: false }) {
    const { messages } = host;
    const doubts = doubtful(doubt);
    const certain = doubts.length === 0;
    name(parts, messages);
    const words = state === "open" && documents ? [messages[state], messages.documents(documents)] : [messages[state]];
    // Without figures nobody has asked about the connection, unless that is what is wrong.
    const shown = host.figures || TROUBLE.includes(state) || certain ? words : [];
    connection.textContent = [...shown, ...doubts].join(" · ");
    box.dataset.state = state;
    box.toggleAttribute("data-doubt", !certain);
    parts.status.hidden = !host.figures && certain && !TROUBLE.includes(state) && !classList.contains("trouble");
  }

  /** Results were drawn: tell of them if they answer a keystroke. Enter has been told of already. @param {Answer} answer */
  function shown(answer) {
    if (answer.offset > 0) announce(host.messages.count(answer.hits.length));
    else if (!answer.submit && answer.keyAt !== null) tell(answer, host.messages.key(since(answer.keyAt)));
  }

  /** Enter was answered. @param {Answer} answer */
  function entered(answer) {
    const { messages } = host;
    submits += 1;
    if (answer.ready) readySubmits += 1;
    const share = submits > 1 ? ` (${messages.share(readySubmits, submits)})` : "";
    tell(answer, (answer.ready ? messages.ready : messages.enter(since(answer.keyAt))) + share);
    classList.toggle("ready", answer.ready);
  }

  /** @param {import("./types.js").Problem} problem */
  function trouble(problem) {
    rest();
    figures.textContent = oneLine(problem.message || problem.code, 160);
    classList.remove("ready");
    classList.add("trouble");
    announce(figures.textContent);
  }

  /** Take the trouble back. */
  function calm() {
    if (classList.contains("trouble")) figures.textContent = "";
    classList.remove("trouble");
  }

  /** An answer is due: show so, if it still is in a moment. */
  function wait() {
    clearTimeout(waitingTimer);
    waitingTimer = setTimeout(() => box.toggleAttribute("data-waiting", busy()), WAITING_AFTER_MS);
  }

  /** No answer is due. */
  function rest() {
    clearTimeout(waitingTimer);
    box.removeAttribute("data-waiting");
  }

  /** Nothing is typed, so there is nothing to tell. */
  function reset() {
    rest();
    clearTimeout(announceTimer);
    figures.textContent = "";
    classList.remove("ready");
    announcer.textContent = "";
  }

  /**
   * @param {Answer} answer
   * @param {string} figure
   */
  function tell(answer, figure) {
    const { messages } = host;
    const count = messages.count(answer.hits.length);
    figures.textContent = host.figures ? `${count} · ${figure}` : "";
    classList.remove("ready", "trouble");
    announce(answer.weak ? `${messages.weak} ${count}` : count, doubtful(answer).join(". "));
  }

  /**
   * @param {string} message
   * @param {string} [doubt] what is to be said of the results once
   */
  function announce(message, doubt = told) {
    clearTimeout(announceTimer);
    announceTimer = setTimeout(() => {
      announcer.textContent = doubt && doubt !== told ? `${message}. ${doubt}` : message;
      told = doubt;
    }, ANNOUNCE_AFTER_MS);
  }

  /** Why results are not to be relied on. @param {Doubt} doubt @returns {string[]} */
  function doubtful({ stale, partial }) {
    const { messages } = host;
    return [...(stale ? [messages.stale] : []), ...(partial ? [messages.partial] : [])];
  }

  return { refresh, shown, entered, trouble, calm, wait, rest, reset };
}

/**
 * The time from a moment of the page's clock until now, in words.
 * @param {number | null} moment
 */
function since(moment) {
  const ms = performance.now() - (moment ?? performance.now());
  if (ms >= 995) return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
