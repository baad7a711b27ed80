/**
 * The elements in the box's shadow root, and its words, which a page may replace with its own. Nothing is parsed from
 * HTML, so it works under any Content-Security-Policy and with Trusted Types. `box-style.js` has the looks.
 * @module
 */
/** The words of the box. `box.messages = {…}` replaces some or all of them. */
export declare const MESSAGES: {
    label: string;
    clear: string;
    results: string;
    recent: string;
    forget: string;
    none: (/** @type {string} */ text: string) => string;
    noDocuments: string;
    away: string;
    noNetwork: string;
    weak: string;
    stale: string;
    partial: string;
    bad_filter: string;
    unknown_field: string;
    denied: string;
    more: string;
    facets: string;
    clearFacets: string;
    facet: (/** @type {string} */ field: string) => string;
    facetValue: (/** @type {string | number | boolean} */ value: string | number | boolean, /** @type {string} */ _field: string) => string;
    facetMore: string;
    facetNote: string;
    copies: (/** @type {number} */ copies: number) => string;
    count: (/** @type {number} */ count: number) => string;
    documents: (/** @type {number} */ count: number) => string;
    key: (/** @type {string} */ time: string) => string;
    ready: string;
    enter: (/** @type {string} */ time: string) => string;
    share: (/** @type {number} */ ready: number, /** @type {number} */ all: number) => string;
    closed: string;
    connecting: string;
    open: string;
    http: string;
    asleep: string;
    waiting: string;
    offline: string;
    refused: string;
};
export type Messages = typeof MESSAGES;
export type Parts = {
    input: HTMLInputElement;
} & Record<string, HTMLElement>;
/** @typedef {typeof MESSAGES} Messages */
/** The parts of the box, by name. @typedef {{input: HTMLInputElement} & Record<string, HTMLElement>} Parts */
/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} children
 */
export declare function make(tag: string, attributes?: Record<string, string>, ...children: (Node | string)[]): HTMLElement;
/**
 * Fill a shadow root with the box.
 * @param {ShadowRoot} root
 * @returns {Parts}
 */
export declare function build(root: ShadowRoot): Parts;
/**
 * Write the words that depend on the language alone.
 * @param {Record<string, HTMLElement>} parts
 * @param {Messages} messages
 */
export declare function name(parts: Record<string, HTMLElement>, messages: Messages): void;
