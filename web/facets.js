/**
 * Draws the facets: for each field its values as buttons, with how many documents have each. It keeps which values the
 * user has chosen. A page with elements of its own in the slot `facets` sees those instead.
 * @module
 */

import { make } from "./markup.js";
import { oneLine } from "./untrusted.js";

/** @typedef {import("./types.js").Value} Value */
/** @typedef {{value: Value, count: number | null}} Counted */
/** @typedef {{root: HTMLElement, buttons: Map<string, HTMLElement>}} Group */
/** @typedef {ReturnType<typeof createFacets>} Facets */

const LONGEST = 60;

/**
 * @param {import("./markup.js").Parts} parts
 * @param {Pick<import("./host.js").Host, "emit" | "messages" | "choose">} host
 */
export function createFacets(parts, host) {
  const { clearFacets, facets, facetNote, groups, input } = parts;
  /** The fields whose facets are shown, in this order. @type {string[]} */
  let fields = [];
  /** The chosen values, by field and by the value's JSON. @type {Map<string, Map<string, Value>>} */
  const chosen = new Map();
  /** The values that each field had before one of them was chosen. @type {Map<string, Counted[]>} */
  const known = new Map();
  /** @type {Map<string, Group>} */
  const drawn = new Map();
  /** @type {import("./types.js").Answer | null} */
  let newest = null;

  clearFacets.addEventListener("click", () => choose({}));
  // A press on a button must not take the focus from the field: that would close the panel.
  facets.addEventListener("mousedown", (event) => {
    if (event.target instanceof Node && facets.contains(event.target)) event.preventDefault();
  });

  /** @returns {Record<string, Value[]>} */
  function choice() {
    return Object.fromEntries([...chosen].map(([field, values]) => [field, [...values.values()]]));
  }

  /** @param {Record<string, Value[]>} values */
  function choose(values) {
    chosen.clear();
    for (const field of fields) {
      const wanted = values[field] ?? [];
      if (wanted.length > 0) chosen.set(field, new Map(wanted.map((value) => [JSON.stringify(value), value])));
    }
    draw();
    host.choose();
  }

  /** @param {string} field @param {Value} value */
  function toggle(field, value) {
    const values = chosen.get(field) ?? new Map();
    const key = JSON.stringify(value);
    if (!values.delete(key)) values.set(key, value);
    choose({ ...choice(), [field]: [...values.values()] });
  }

  /**
   * What to offer of a field. Once a value is chosen, the server counts only documents that have it, so the other
   * values are kept, without a count: the user may want them, too.
   * @param {string} field
   * @returns {Counted[]}
   */
  function offered(field) {
    const counted = newest?.facets?.[field]?.values ?? [];
    const mine = chosen.get(field);
    if (mine === undefined) {
      known.set(field, counted);
      return counted;
    }
    /** @type {Map<string, Counted>} */
    const all = new Map(counted.map((one) => [JSON.stringify(one.value), one]));
    for (const value of [...mine.values(), ...(known.get(field) ?? []).map((one) => one.value)]) {
      const key = JSON.stringify(value);
      if (!all.has(key)) all.set(key, { value, count: null });
    }
    return [...all.values()];
  }

  function draw() {
    const root = /** @type {ShadowRoot} */ (facets.getRootNode());
    const hadFocus = facets.contains(root.activeElement);
    for (const field of fields) {
      const group = drawn.get(field) ?? makeGroup(field);
      group.root.firstElementChild?.replaceChildren(oneLine(host.messages.facet(field), LONGEST));
      drawButtons(field, group);
      groups.append(...(group.root.isConnected ? [] : [group.root]));
    }
    clearFacets.hidden = chosen.size === 0;
    facetNote.hidden = newest?.facetsOver !== "candidates" || groups.querySelector("button") === null;
    if (hadFocus && !facets.contains(root.activeElement)) input.focus();
  }

  /** @param {string} field @returns {Group} */
  function makeGroup(field) {
    const id = `facet-${drawn.size}`;
    const root = make("div", { part: "facet-group", role: "group", "aria-labelledby": id }, make("span", { part: "facet-name", id }));
    const group = { root, buttons: new Map() };
    drawn.set(field, group);
    return group;
  }

  /** @param {string} field @param {Group} group */
  function drawButtons(field, group) {
    const values = offered(field);
    const rest = newest?.facets?.[field]?.more === true;
    group.root.hidden = values.length === 0;
    /** @type {Map<string, HTMLElement>} */
    const buttons = new Map();
    for (const { value, count } of values) {
      const key = JSON.stringify(value);
      const button = group.buttons.get(key) ?? makeButton(field, value);
      const label = oneLine(host.messages.facetValue(value, field), LONGEST) || "–";
      const number = count === null ? [] : [" ", make("span", { part: "facet-count" }, count.toLocaleString())];
      button.replaceChildren(label, ...number);
      button.setAttribute("aria-pressed", String(chosen.get(field)?.has(key) === true));
      buttons.set(key, button);
    }
    // Buttons keep their places while the user points at them or is among them: the next one must not run away.
    const steady = facets.matches(":hover, :focus-within");
    const kept = steady ? [...group.buttons].filter(([key]) => buttons.has(key)).map(([key]) => key) : [];
    group.buttons = new Map([...kept, ...buttons.keys()].map((key) => [key, /** @type {HTMLElement} */ (buttons.get(key))]));
    const items = [...group.buttons.values(), ...(rest ? [make("span", { part: "facet-more" }, host.messages.facetMore)] : [])];
    for (const item of [...group.root.children].slice(1)) {
      if (!items.includes(/** @type {HTMLElement} */ (item))) item.remove();
    }
    let next = group.root.firstElementChild?.nextElementSibling ?? null;
    for (const item of items) {
      // Moving a button would take the focus from it.
      if (item === next) next = item.nextElementSibling;
      else group.root.insertBefore(item, next);
    }
  }

  /** @param {string} field @param {Value} value */
  function makeButton(field, value) {
    const button = make("button", { type: "button", part: "facet", dir: "auto" });
    button.addEventListener("click", () => toggle(field, value));
    return button;
  }

  return {
    choice,
    choose,
    /** Write all words again. */
    refresh: draw,

    /**
     * Show the facets of these fields from now on. Values of others are no longer chosen.
     * @param {string[]} names
     */
    show(names) {
      if (fields.join("\n") === names.join("\n")) return;
      fields = names;
      newest = null;
      for (const held of [drawn, known]) held.clear();
      for (const field of [...chosen.keys()]) if (!fields.includes(field)) chosen.delete(field);
      groups.replaceChildren();
      facets.hidden = fields.length === 0;
      draw();
    },

    /** New counts have come. @param {import("./types.js").Answer} answer */
    receive(answer) {
      if (answer.facets === null || answer.offset > 0 || fields.length === 0) return;
      newest = answer;
      draw();
      host.emit("typeahead-facets", { facets: answer.facets, over: answer.facetsOver, chosen: choice() });
    },
  };
}
