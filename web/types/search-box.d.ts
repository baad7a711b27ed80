/**
 * `<typeahead-search src="wss://…">`: the search box as an element for any page. This module has its attributes,
 * properties and events, its part in forms, and the hotkeys that focus it. `combobox.js` is the box itself, and
 * `embedding.md` says how to use it.
 * @module
 */
import { TypeaheadClient } from "./client.js";
import { MESSAGES } from "./markup.js";
export { TypeaheadClient };
declare const Base: typeof HTMLElement;
export declare class TypeaheadSearch extends Base {
    #private;
    static formAssociated: boolean;
    static observedAttributes: string[];
    constructor();
    /** The connection, with its own events. It is replaced with the attributes that it is made of. */
    get client(): TypeaheadClient | null;
    /** @returns {import("./types.js").State} */
    get state(): import("./types.js").State;
    /** The newest results. */
    get hits(): import("./types.js").Hit[];
    /** Whether the panel is open. */
    get open(): boolean;
    /** The text in the field. Setting it does not open the panel; `type()` does. */
    get value(): string;
    set value(text: string);
    get form(): HTMLFormElement | null;
    /** Which documents count; null for all. The user's choice of facets holds on top. @returns {import("./types.js").Filter | null} */
    get filter(): import("./types.js").Filter | null;
    /** @param {import("./types.js").Filter | string | null} filter an object, or its JSON */
    set filter(filter: import("./types.js").Filter | string | null);
    /** The fields whose values are counted. @returns {string[]} */
    get facets(): string[];
    /** @param {string[] | string | null} fields an array, or names with commas */
    set facets(fields: string[] | string | null);
    /** The values of facets that the user has chosen, by field. Setting them searches again. */
    get chosen(): Record<string, import("./types.js").Value[]>;
    set chosen(values: Record<string, import("./types.js").Value[]>);
    /**
     * The bearer token, if the server needs one: then it sends a `problem` event with the code `unauthorized`. There is
     * no attribute for it, since attributes are visible in the page's source.
     * @param {string | null} token
     */
    set token(token: string | null);
    /** The words of the box. Those given replace the English ones. @param {Partial<typeof MESSAGES>} messages */
    set messages(messages: Partial<typeof MESSAGES>);
    get messages(): Partial<typeof MESSAGES>;
    /**
     * Put a text into the field as if the user had typed it.
     * @param {string} text
     */
    type(text: string): void;
    connectedCallback(): void;
    disconnectedCallback(): void;
    /**
     * @param {string} name
     * @param {string | null} before
     * @param {string | null} now
     */
    attributeChangedCallback(name: string, before: string | null, now: string | null): void;
    formResetCallback(): void;
    /** @param {boolean} disabled */
    formDisabledCallback(disabled: boolean): void;
    /** @param {string} value */
    formStateRestoreCallback(value: string): void;
}
