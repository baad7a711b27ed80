/**
 * A type shared by the modules of the element. Browsers never load this file.
 * @module
 */

/**
 * What the combobox needs from the element.
 * @typedef {object} Host
 * @property {(name: string, detail: unknown) => boolean} emit dispatches an event; returns false if the page prevented it
 * @property {(value: string) => void} changed called with each new value of the field
 * @property {() => void} edited called when the box has changed its text for the user, which sends no event by itself
 * @property {() => void} committed called when the user leaves the field or presses Enter on a new text
 * @property {() => boolean} enter submits the page's form; returns false if there is none
 * @property {() => void} choose called when the user has chosen values of facets
 * @property {() => HTMLTemplateElement | null} template
 * @property {boolean} figures whether counts and times are shown
 * @property {import("./recent.js").RecentSearches} recent
 * @property {import("./markup.js").Messages} messages
 */

export {};
