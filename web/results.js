/**
 * A list of results: one row a hit, kept and moved rather than made anew, so that nothing flickers while the list
 * changes under a person's eyes. `combobox.js` decides when a list may change.
 * @module
 */

import { fill, pieces } from "./highlight.js";
import { oneLine, readableAddress, safeLink } from "./untrusted.js";

/** @typedef {import("./types.js").Hit} Hit */

/**
 * @typedef {object} Row
 * @property {HTMLLIElement} item
 * @property {HTMLElement} target the option or link itself
 * @property {Hit} hit
 */

const LENGTHS = { title: 160, text: 300 };

export class ResultList {
  #root;
  #options;
  #template;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #made = 0;

  /**
   * @param {HTMLElement} root the `ul` or `ol`
   * @param {{template: () => HTMLTemplateElement | null, options?: boolean}} settings `template` finds what the page
   *   wants in a row, if it wants anything; `options`: rows are options of a listbox, which the keyboard reaches
   *   through the input alone, instead of plain links.
   */
  constructor(root, { template, options = false }) {
    this.#root = root;
    this.#template = template;
    this.#options = options;
  }

  /** The rows' options or links, from the top. @returns {HTMLElement[]} */
  get targets() {
    return [...this.#rows.values()].map((row) => row.target);
  }

  /** The hit of the row that something belongs to. @param {EventTarget | null} target */
  hitOf(target) {
    return [...this.#rows.values()].find((row) => target instanceof Node && row.item.contains(target))?.hit;
  }

  /** Show these hits, best first. @param {Hit[]} hits */
  show(hits) {
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const hit of hits) {
      const key = unusedKey(rows, hit.id);
      const old = this.#rows.get(key);
      const row = old !== undefined && old.hit.url === hit.url ? old : this.#make(hit);
      if (row !== old || JSON.stringify([old.hit.title, old.hit.text, old.hit.marks]) !== JSON.stringify([hit.title, hit.text, hit.marks])) {
        draw(row.target, hit);
      }
      row.hit = hit;
      rows.set(key, row);
    }
    for (const [key, row] of this.#rows) {
      if (rows.get(key) !== row) row.item.remove();
    }
    let next = this.#root.firstElementChild;
    for (const { item } of rows.values()) {
      // A row that stands in its place is not touched: moving it would drop its hover and restart its transitions.
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
    if (template !== null) target.append(template.content.cloneNode(true));
    else target.append(...["title", "text", "address"].map(field));
    return { item, target, hit };
  }
}

/**
 * Make a row an option of the listbox.
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

/** A line of a row, as it looks where the page brings no template. @param {string} name */
function field(name) {
  const line = document.createElement("span");
  line.dataset.hit = name;
  line.setAttribute("part", name);
  // Text of unknown direction orders itself, and nothing beyond its own line.
  line.dir = name === "address" ? "ltr" : "auto";
  return line;
}

/**
 * Write a hit into the elements that ask for its fields with `data-hit`.
 * @param {HTMLElement} target
 * @param {Hit} hit
 */
function draw(target, hit) {
  const name = oneLine(hit.id, LENGTHS.title);
  for (const element of target.querySelectorAll("[data-hit]")) {
    const field = element.getAttribute("data-hit");
    if (field === "title" || field === "text") {
      // Which part of a document stands here is chosen by the server, which has the whole of it.
      const parts = pieces(hit[field], hit.marks[field], LENGTHS[field]);
      const nameless = field === "title" && parts.length === 0;
      fill(element, nameless ? [{ text: name || "Untitled", marked: false }] : parts);
    } else {
      element.textContent = field === "address" ? readableAddress(hit.url) : field === "score" ? hit.score.toFixed(3) : name;
    }
  }
}

/**
 * A document's id as key; an id that stands in the list twice gets a key of its own.
 * @param {Map<string, Row>} rows
 * @param {string} id
 * @returns {string}
 */
function unusedKey(rows, id) {
  let key = id;
  for (let copy = 2; rows.has(key); copy += 1) key = `${id}\0${copy}`;
  return key;
}
