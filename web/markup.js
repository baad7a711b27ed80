/**
 * The elements in the box's shadow root, and its words, which a page may replace with its own. Nothing is parsed from
 * HTML, so it works under any Content-Security-Policy and with Trusted Types. `box-style.js` has the looks.
 * @module
 */

/** The words of the box. `box.messages = {…}` replaces some or all of them. */
export const MESSAGES = {
  label: "Search",
  clear: "Clear",
  results: "Results",
  recent: "Recent searches",
  forget: "Clear history",
  none: (/** @type {string} */ text) => `Nothing found for “${text}”.`,
  noDocuments: "This server has no documents to search.",
  away: "The server is not responding. Results will appear when it does.",
  noNetwork: "You are offline. Results will appear when you are back online.",
  weak: "No good match. Closest results:",
  stale: "Results may be out of date",
  partial: "Some results may be missing",
  bad_filter: "The filter does not work, so nothing is searched.",
  unknown_field: "The filter names a field that does not exist, so nothing is searched.",
  denied: "You have no access, or it has expired.",
  more: "More results",
  facets: "Filters",
  clearFacets: "Clear filters",
  facet: (/** @type {string} */ field) => field,
  facetValue: (/** @type {string | number | boolean} */ value, /** @type {string} */ _field) => String(value),
  facetMore: "and more",
  facetNote: "Counts are of the closest results.",
  copies: (/** @type {number} */ copies) => `${copies} copies`,
  count: (/** @type {number} */ count) => (count === 0 ? "No results" : count === 1 ? "1 result" : `${count} results`),
  documents: (/** @type {number} */ count) => `${count.toLocaleString()} documents`,
  key: (/** @type {string} */ time) => `${time} from key to result`,
  ready: "✓ ready at Enter",
  enter: (/** @type {string} */ time) => `${time} after Enter`,
  share: (/** @type {number} */ ready, /** @type {number} */ all) => `${ready} of ${all}`,
  closed: "Not connected",
  connecting: "Connecting…",
  open: "Connected",
  http: "No live connection – searching over HTTP",
  asleep: "Asleep – wakes when you type",
  waiting: "Connection lost – reconnecting…",
  offline: "Offline – waiting for the network",
  refused: "The server refused the connection",
};

/** @typedef {typeof MESSAGES} Messages */

/** The parts of the box, by name. @typedef {{input: HTMLInputElement} & Record<string, HTMLElement>} Parts */

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @param {string} path */
function icon(path) {
  const namespace = "http://www.w3.org/2000/svg";
  const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS(namespace, tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/**
 * Fill a shadow root with the box.
 * @param {ShadowRoot} root
 * @returns {Parts}
 */
export function build(root) {
  /** @type {Record<string, HTMLElement>} */
  const parts = {};
  /** @param {string} tag @param {string} part @param {Record<string, string>} [more] @param {(Node | string)[]} children */
  const add = (tag, part, more = {}, ...children) => (parts[part] = make(tag, { part, ...more }, ...children));
  const slot = (/** @type {string} */ name, /** @type {Node[]} */ ...otherwise) => make("slot", { name }, ...otherwise);
  const hidden = { hidden: "" };
  add("div", "box", {},
    add("form", "field", { role: "search" },
      add("span", "icon", {}, slot("icon", icon("M15.5 15.5l5 5M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0"))),
      add("input", "input", {
        type: "text", role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "options",
        autocomplete: "off", autocapitalize: "none", autocorrect: "off", spellcheck: "false", enterkeyhint: "search",
        inputmode: "search", dir: "auto",
      }),
      add("button", "clear", { type: "button", ...hidden }, icon("m7 7 10 10M17 7 7 17"))),
    add("div", "facets", { role: "group", ...hidden },
      slot("facets",
        (parts.groups = make("div", { part: "facet-groups" })),
        (parts.facetNote = make("p", { part: "facet-note", ...hidden })),
        (parts.clearFacets = make("button", { part: "facet-clear", type: "button", ...hidden })))),
    add("p", "status", {}, add("span", "connection"), add("span", "figures")),
    add("div", "panel", hidden,
      add("div", "recent", hidden, add("span", "heading"), add("button", "forget", { type: "button" })),
      add("p", "weak", hidden),
      add("ul", "options", { id: "options", role: "listbox" }),
      add("p", "message", hidden)),
    add("section", "settled", hidden, add("ol", "answers"), add("button", "more", { type: "button", ...hidden })),
    add("div", "empty", {}, slot("empty")),
    add("p", "announcer", { role: "status" }));
  root.append(parts.box);
  return /** @type {any} */ (parts);
}

/**
 * Write the words that depend on the language alone.
 * @param {Record<string, HTMLElement>} parts
 * @param {Messages} messages
 */
export function name(parts, messages) {
  parts.clear.setAttribute("aria-label", messages.clear);
  parts.options.setAttribute("aria-label", messages.results);
  parts.settled.setAttribute("aria-label", messages.results);
  parts.heading.textContent = messages.recent;
  parts.forget.textContent = messages.forget;
  parts.weak.textContent = messages.weak;
  parts.more.textContent = messages.more;
  parts.facets.setAttribute("aria-label", messages.facets);
  parts.facetNote.textContent = messages.facetNote;
  parts.clearFacets.textContent = messages.clearFacets;
}
