/**
 * A list of results in the page: one row a hit, kept and moved rather than made anew, so that nothing flickers while
 * the list changes under a person's eyes. `search-box.js` decides when a list may change.
 * @module
 */

import { fill, pieces, queryWords } from "./highlight.js";
import { oneLine, readableAddress, safeLink } from "./untrusted.js";

/** @typedef {import("./client.js").Hit} Hit */

/**
 * @typedef {object} Row
 * @property {HTMLLIElement} item
 * @property {HTMLElement} target the option or link itself
 * @property {HTMLElement} title
 * @property {HTMLElement} text
 * @property {HTMLElement} address
 * @property {Hit} hit
 * @property {string} query the query whose words are marked
 */

const TITLE_LENGTH = 160;
const TEXT_LENGTH = 300;

export class ResultList {
  #root;
  #prefix;
  #options;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #made = 0;

  /**
   * @param {HTMLElement} root the `ul` or `ol`
   * @param {{prefix: string, options?: boolean}} settings `prefix` of the rows' ids; `options`: rows are options of a
   *   listbox, which the keyboard reaches through the input alone, instead of plain links.
   */
  constructor(root, { prefix, options = false }) {
    this.#root = root;
    this.#prefix = prefix;
    this.#options = options;
  }

  /** The rows' options or links, from the top. @returns {HTMLElement[]} */
  get targets() {
    return [...this.#rows.values()].map((row) => row.target);
  }

  /**
   * Show these hits, best first, with the query's words marked.
   * @param {Hit[]} hits
   * @param {string} query
   */
  show(hits, query) {
    const words = queryWords(query);
    /** @type {Map<string, Row>} */
    const rows = new Map();
    for (const hit of hits) {
      const key = unusedKey(rows, hit.id);
      const old = this.#rows.get(key);
      const row = old !== undefined && old.hit.url === hit.url ? old : this.#make(hit.url);
      if (row.hit.title !== hit.title || row.hit.text !== hit.text || row.query !== query) {
        const title = oneLine(hit.title, TITLE_LENGTH) || oneLine(hit.id, TITLE_LENGTH) || "Untitled";
        fill(row.title, pieces(title, words));
        // Which part of a document stands here is chosen by the server, which has the whole of it.
        fill(row.text, pieces(oneLine(hit.text, TEXT_LENGTH), words));
        row.query = query;
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

  clear() {
    this.show([], "");
  }

  /**
   * @param {string} url
   * @returns {Row}
   */
  #make(url) {
    this.#made += 1;
    const link = safeLink(url);
    const target = document.createElement(link === null ? "div" : "a");
    target.className = "row";
    if (target instanceof HTMLAnchorElement && link !== null) {
      target.href = link;
      target.rel = "noopener noreferrer";
    }
    const item = document.createElement("li");
    item.append(target);
    if (this.#options) {
      item.setAttribute("role", "presentation");
      target.setAttribute("role", "option");
      target.setAttribute("aria-selected", "false");
      target.tabIndex = -1;
    }
    target.id = `${this.#prefix}-${this.#made}`;
    const [title, text, address] = ["title", "text", "address"].map((name) => {
      const part = document.createElement("span");
      part.className = `row-${name}`;
      // Text of unknown direction orders itself, and nothing beyond its own line.
      part.dir = name === "address" ? "ltr" : "auto";
      target.append(part);
      return part;
    });
    address.textContent = readableAddress(url);
    const hit = { id: "", score: 0, title: "", text: "", url };
    return { item, target, title, text, address, hit, query: "\0" };
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
