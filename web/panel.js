/**
 * Draws the results: in the panel under the field, or settled in the page after Enter. It also draws the recent
 * searches, the message where there is nothing to list, and which option is active. `showing.js` decides what is shown
 * when; `results.js` has the rows.
 * @module
 */

import { make, MESSAGES } from "./markup.js";
import { asOption, ResultList } from "./results.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {ReturnType<typeof createPanel>} Panel */

/**
 * @param {import("./markup.js").Parts} parts
 * @param {() => HTMLTemplateElement | null} template
 * @param {() => import("./markup.js").Messages} [messages] the words of the box, English ones by default
 * @param {() => void} [onMore] the user wants the next page
 */
export function createPanel(parts, template, messages = () => MESSAGES, onMore = () => {}) {
  const { empty, heading, input, message, panel, recent, settled, weak } = parts;
  const options = new ResultList(parts.options, { template, messages, options: true });
  const answers = new ResultList(parts.answers, { template, messages });
  let index = -1;
  /** Recent searches, shown in the panel instead of results. @type {HTMLElement[]} */
  let offered = [];
  /** The last row while there may be more results. */
  const last = make("div", { part: "row more-row" });
  const lastItem = make("li", {}, last);
  asOption(lastItem, last, "more");
  for (const target of [last, parts.more]) target.addEventListener("click", () => onMore());

  const isOpen = () => !panel.hidden;
  const isOffering = () => offered.length > 0;
  const targets = () => (isOffering() ? offered : [...options.targets, ...(lastItem.isConnected ? [last] : [])]);
  /** The active option; undefined if it is the field itself. */
  const active = () => targets()[index];

  /** @param {number} [next] the index of the option to make active; by default none is */
  function activate(next = -1) {
    active()?.setAttribute("aria-selected", "false");
    index = next;
    const target = active();
    if (target === undefined) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    target.setAttribute("aria-selected", "true");
    target.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", target.id);
  }

  /** Make the next or previous option active. The field lies between the last and the first. @param {1 | -1} step */
  function move(step) {
    const places = targets().length + 1;
    if (isOpen() && places > 1) activate(((index + 1 + step + places) % places) - 1);
  }

  /**
   * @param {Hit[]} hits
   * @param {string} words what to say instead of rows; empty if there are any
   * @param {boolean} [poor] whether even the best hit is a poor one
   * @param {boolean} [more] whether there may be more hits
   */
  function open(hits, words, poor = false, more = false) {
    const found = hits.length > 0;
    withdraw();
    const place = active() === last ? index : -1;
    if (place >= 0) activate();
    options.show(hits, poor);
    last.textContent = messages().more;
    if (more) parts.options.append(lastItem);
    else lastItem.remove();
    // The next page begins where the last row was.
    if (place >= 0) activate(Math.min(place, targets().length - 1));
    keepHeight(false);
    parts.options.before(weak);
    weak.hidden = !poor;
    settled.hidden = true;
    empty.hidden = true;
    parts.options.hidden = !found;
    say("none", words, panel);
    panel.hidden = false;
    expand(found);
  }

  /**
   * The results leave the panel and become part of the page, as links that the Tab key reaches.
   * @param {Hit[]} hits
   * @param {string} words what to say instead of rows; empty if there are any
   * @param {boolean} [poor] whether even the best hit is a poor one
   * @param {boolean} [more] whether there may be more hits
   */
  function settle(hits, words, poor = false, more = false) {
    const before = answers.targets.length;
    const focused = /** @type {ShadowRoot} */ (settled.getRootNode()).activeElement === parts.more;
    answers.show(hits, poor);
    parts.more.hidden = !more;
    keepHeight(false);
    parts.answers.before(weak);
    weak.hidden = !poor;
    parts.answers.hidden = hits.length === 0;
    say("none", words, settled);
    settled.hidden = false;
    panel.hidden = true;
    empty.hidden = true;
    // The next page begins where the button was.
    if (focused && (answers.targets.length > before || !more)) focus(answers.targets[before] ?? answers.targets.at(-1));
  }

  /** Take the rows away at once, since they answer another question. The place stays as high until others come. */
  function blank() {
    if (isOffering()) return;
    keepHeight(true);
    activate();
    options.show([]);
    lastItem.remove();
    answers.show([]);
    parts.more.hidden = true;
    weak.hidden = true;
    if (message.dataset.kind === "none") message.hidden = true;
  }

  /** @param {boolean} keep */
  function keepHeight(keep) {
    for (const part of [panel, settled]) part.style.minHeight = keep ? `${part.offsetHeight}px` : "";
  }

  /**
   * Say why no results come, or take that back.
   * @param {string} words empty to take it back
   * @param {boolean} hadResults whether there are older results to go back to
   */
  function sayAway(words, hadResults) {
    if (words === "" && message.dataset.kind !== "away") return;
    say("away", words, panel);
    keepHeight(false);
    parts.options.hidden = true;
    weak.hidden = true;
    empty.hidden ||= words !== "";
    panel.hidden = words === "" && !hadResults;
  }

  /**
   * Offer recent searches.
   * @param {string[]} texts
   * @param {(text: string) => void} pick
   */
  function offer(texts, pick) {
    options.show([]);
    lastItem.remove();
    keepHeight(false);
    weak.hidden = true;
    offered = texts.map((text, row) => {
      const option = make("div", { part: "row" }, oneLine(text, 120));
      const item = make("li", {}, option);
      asOption(item, option, `recent-${row}`);
      option.dir = "auto";
      option.addEventListener("click", () => pick(text));
      parts.options.append(item);
      return option;
    });
    parts.options.setAttribute("aria-label", heading.textContent ?? "");
    for (const part of [parts.options, panel, recent]) part.hidden = false;
    expand(true);
  }

  function withdraw() {
    if (!isOffering()) return;
    offered = [];
    parts.options.replaceChildren();
    parts.options.setAttribute("aria-label", settled.getAttribute("aria-label") ?? "");
    recent.hidden = true;
  }

  function close() {
    activate();
    withdraw();
    panel.hidden = true;
    expand(false);
  }

  /** Back to how the box looks before anything is typed. */
  function reset() {
    options.show([]);
    lastItem.remove();
    answers.show([]);
    parts.more.hidden = true;
    keepHeight(false);
    settled.hidden = true;
    weak.hidden = true;
    message.hidden = true;
    empty.hidden = false;
  }

  /** @param {boolean} expanded */
  function expand(expanded) {
    input.setAttribute("aria-expanded", String(expanded));
  }

  /**
   * @param {"none" | "away"} kind
   * @param {string} words empty for no message
   * @param {HTMLElement} place
   */
  function say(kind, words, place) {
    message.hidden = words === "";
    message.dataset.kind = kind;
    message.textContent = words;
    place.append(message);
  }

  return { options, answers, isOpen, isOffering, active, activate, move, open, settle, blank, sayAway, offer, close, reset };
}

/** @param {HTMLElement | undefined} row */
function focus(row) {
  if (!(row instanceof HTMLAnchorElement)) row?.setAttribute("tabindex", "-1");
  row?.focus();
}
