/**
 * A list of results, one row per hit. Rows are kept and moved, not rebuilt, so nothing flickers while the list changes
 * under the user's eyes. `showing.js` decides when it may change.
 * @module
 */

import { fill, pieces } from "./highlight.js";
import { make, MESSAGES } from "./markup.js";
import { oneLine, readableAddress, safeLink } from "./untrusted.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./markup.js").Messages} Messages */

/**
 * @typedef {object} Row
 * @property {HTMLLIElement} item
 * @property {HTMLElement} target the option or link in it
 * @property {Hit} hit
 */

const LENGTHS = { title: 160, text: 300 };

export class ResultList {
  #root;
  #options;
  #template;
  #messages;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #made = 0;

  /**
   * @param {HTMLElement} root the `ul` or `ol`
   * @param {{template: () => HTMLTemplateElement | null, messages?: () => Messages, options?: boolean}} settings
   *   `template` returns the page's own template of a row, if it has one, and `messages` the words of the box. With
   *   `options`, rows are options of a listbox, which the keyboard reaches only through the input; otherwise they are
   *   plain links.
   */
  constructor(root, { template, messages = () => MESSAGES, options = false }) {
    this.#root = root;
    this.#messages = messages;
    this.#template = template;
    this.#options = options;
  }

  /** The options or links, top to bottom. @returns {HTMLElement[]} */
  get targets() {
    return [...this.#rows.values()].map((row) => row.target);
  }

  /** The hit of the row that contains this node. @param {EventTarget | null} target */
  hitOf(target) {
    return [...this.#rows.values()].find((row) => target instanceof Node && row.item.contains(target))?.hit;
  }

  /**
   * Show these hits, best first.
   * @param {Hit[]} hits
   * @param {boolean} [weak] whether even the best is a poor one: the rows are dimmed
   */
  show(hits, weak = false) {
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const hit of hits) {
      const key = unusedKey(rows, hit.index === undefined ? hit.id : `${hit.index}\0\0${hit.id}`);
      const old = this.#rows.get(key);
      const row = old !== undefined && old.hit.url === hit.url ? old : this.#make(hit);
      if (row !== old || shownOf(old.hit) !== shownOf(hit)) draw(row.target, hit, this.#messages());
      row.target.part.toggle("weak-row", weak);
      row.hit = hit;
      rows.set(key, row);
    }
    for (const [key, row] of this.#rows) {
      if (rows.get(key) !== row) row.item.remove();
    }
    let next = this.#root.firstElementChild;
    for (const { item } of rows.values()) {
      // A row already in place is left alone: moving it would drop its hover and restart its transitions.
      if (item === next) next = item.nextElementSibling;
      else this.#root.insertBefore(item, next);
    }
    this.#rows = rows;
  }

  /**
   * @param {Hit} hit
   * @returns {Row}
   */
  #make(hit) {
    this.#made += 1;
    const link = safeLink(hit.url);
    const target = document.createElement(link === null ? "div" : "a");
    target.setAttribute("part", "row");
    if (target instanceof HTMLAnchorElement && link !== null) {
      target.href = link;
      target.rel = "noopener noreferrer";
    }
    const item = document.createElement("li");
    item.append(target);
    if (this.#options) asOption(item, target, `option-${this.#made}`);
    const template = this.#template();
    if (template !== null) target.append(...rowOf(template));
    else target.append(field("title"), field("text"), make("span", { class: "foot" }, field("address"), field("copies")));
    return { item, target, hit };
  }
}

/** What a row is made of: frameworks give a template child nodes, where the parser gives it content. @param {HTMLTemplateElement} template */
function rowOf({ content, childNodes }) {
  return [...(content.hasChildNodes() ? content.childNodes : childNodes)].map((node) => node.cloneNode(true));
}

/**
 * Turn a row into an option of a listbox.
 * @param {HTMLElement} item
 * @param {HTMLElement} target
 * @param {string} id
 */
export function asOption(item, target, id) {
  item.setAttribute("role", "presentation");
  target.setAttribute("role", "option");
  target.setAttribute("aria-selected", "false");
  target.tabIndex = -1;
  target.id = id;
}

/** A line of a row without a template. @param {string} name */
function field(name) {
  const line = document.createElement("span");
  line.dataset.hit = name;
  line.setAttribute("part", name);
  // The direction of the text is unknown, and must not affect other lines.
  line.dir = name === "address" ? "ltr" : "auto";
  return line;
}

/** What of a hit is drawn and may change. @param {Hit} hit */
function shownOf({ title, text, copies, marks }) {
  return JSON.stringify([title, text, copies, marks]);
}

/**
 * Write a hit's fields into the elements that name them in `data-hit`.
 * @param {HTMLElement} target
 * @param {Hit} hit
 * @param {Messages} messages
 */
function draw(target, hit, messages) {
  const name = oneLine(hit.id, LENGTHS.title);
  for (const element of target.querySelectorAll("[data-hit]")) {
    const field = element.getAttribute("data-hit");
    if (field === "title" || field === "text") {
      // The server has the whole document and has chosen this part of it.
      const parts = pieces(hit[field], hit.marks[field], LENGTHS[field]);
      const nameless = field === "title" && parts.length === 0;
      fill(element, nameless ? [{ text: name || "Untitled", marked: false }] : parts);
    } else if (field === "copies") {
      element.textContent = hit.copies > 1 ? messages.copies(hit.copies) : "";
    } else {
      const plain = field === "index" ? oneLine(hit.index ?? "", LENGTHS.title) : name;
      element.textContent = field === "address" ? readableAddress(hit.url) : field === "score" ? hit.score.toFixed(3) : plain;
    }
  }
}

/**
 * A key for a document's id. If two hits share an id, the second gets a key of its own.
 * @param {Map<string, Row>} rows
 * @param {string} id
 * @returns {string}
 */
function unusedKey(rows, id) {
  let key = id;
  for (let copy = 2; rows.has(key); copy += 1) key = `${id}\0${copy}`;
  return key;
}
