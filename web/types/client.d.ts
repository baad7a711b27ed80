/**
 * Search as you type, without a DOM: text goes in, hits come out in the order of the keystrokes. `search-box.js` is
 * the visible part. The connection may die at any time: the client dials again and sends the whole text, since the
 * server remembers nothing else that matters. Until then, or where no websocket gets through at all, it searches over
 * HTTP. This module decides which of the two is used, and when to dial.
 * @module
 */
export type State = import("./types.js").State;
export type Key = import("./types.js").Key;
export type Surroundings = import("./types.js").Surroundings;
/** Events, each with its `detail`: `hits` (`Answer`), `statechange` (`State`), `welcome` and `problem` (`Problem`). */
export declare class TypeaheadClient extends EventTarget {
    #private;
    /**
     * @param {string | URL} url ws or wss
     * @param {{http?: string | null, index?: string, hello?: Record<string, unknown>, maxChars?: number,
     *   WebSocket?: Surroundings["WebSocket"], around?: Partial<Surroundings>}} [options] `http` is where to search without a websocket: by default `search`
     *   beside `url`, null for never. `index` names the index on the server, or several with commas. `hello` is the first
     *   message on each connection. `maxChars` is the server's limit in code points until it says. `WebSocket` is a class
     *   for where there is none, such as Node 20: that of the package `ws` will do.
     */
    constructor(url: string | URL, { http, index, hello: { filter, ...hello }, maxChars, WebSocket, around }?: {
        http?: string | null;
        index?: string;
        hello?: Record<string, unknown>;
        maxChars?: number;
        WebSocket?: Surroundings["WebSocket"];
        around?: Partial<Surroundings>;
    });
    get state(): import("./types.js").State;
    get text(): string;
    /** Which documents count; null for all. @returns {import("./types.js").Filter | null} */
    get filter(): import("./types.js").Filter | null;
    /**
     * The text is searched again at once, and no answer of the old filter is reported any more. Anything but an object
     * or null is a mistake: then nothing is searched, and `barred` says so.
     */
    set filter(filter: import("./types.js").Filter | null);
    /** The same. @param {unknown} filter @returns {boolean} whether it is another filter */
    filterBy(filter: unknown): boolean;
    /** Why nothing is searched until there is another filter; null if all is well. */
    get barred(): import("./types.js").Problem | null;
    /** Whether a keystroke still waits for its answer. */
    get busy(): boolean;
    /**
     * Goes into the hello, never into the address, which ends up in logs. A connection without it is replaced.
     * @param {string | null} token
     */
    set token(token: string | null);
    /** Connect, and stay connected until `close()`. Throws where there is no `WebSocket`. */
    connect(): void;
    /** Hang up and stay so. The text is kept for the next `connect()`. */
    close(): void;
    /**
     * Search for this text. It is sent at once, or as soon as there is a connection.
     * @param {string} text
     * @param {number} [keyAt] when the key was pressed
     */
    update(text: string, keyAt?: number): void;
    /**
     * Enter was pressed on the current text.
     * @param {number} [keyAt]
     */
    submit(keyAt?: number): void;
    /**
     * Ask for the next page of the newest answer's hits. They come in an answer that has all pages so far.
     * @returns {boolean} false if there is no more, or the text has no answer yet
     */
    more(): boolean;
}
