/**
 * Types shared by the other modules. Browsers never load this file.
 * @module
 */

/** Start and end in code points, the end exclusive. @typedef {[number, number]} Span */

/**
 * A result. `marks` are the places of the query's words in title and text. `copies` is how many documents have this
 * title and text; they share this result.
 * @typedef {{id: string, score: number, title: string, text: string, url: string, copies: number,
 *   marks: {title: Span[], text: Span[]}}} Hit
 */

/**
 * - `closed`: no connection is wanted.
 * - `connecting`, `open`: the websocket.
 * - `http`: searches go over HTTP; the websocket is retried from time to time.
 * - `waiting`: the connection was lost and is being retried. `offline`: the same, while the browser has no network.
 * - `asleep`: the server closed an idle connection; the next keystroke, or `connect()`, opens it again.
 * - `refused`: the server rejected this client; only `connect()` or a new token tries again.
 * @typedef {"closed" | "connecting" | "open" | "http" | "waiting" | "offline" | "asleep" | "refused"} State
 */

/**
 * The `detail` of a `hits` event: the answer to a text. `weak` says that even the best hit is a poor one, `submit`
 * that it answers Enter, `ready` that it was there before Enter. `keyAt` is when the key was pressed, in milliseconds of the page's clock, or null if a reconnection
 * asked instead. `sentAt` is when the question was sent. `timing` is the server's, in microseconds, for operators only.
 * @typedef {{seq: number, text: string, hits: Hit[], weak: boolean, submit: boolean, ready: boolean, keyAt: number | null,
 *   sentAt: number | null, timing: Record<string, number>}} Answer
 */

/** A refusal: an error code of `typeahead.v1`, and a message for users. @typedef {{code: string, message: string}} Problem */

/** The server's hello: see `write_hello` in `typeahead/replies.py`. @typedef {Record<string, unknown>} Welcome */

/** A keystroke or an Enter that was sent; `edit` if it went as a difference. @typedef {{text: string, keyAt: number | null, edit: boolean, submit: boolean, sentAt?: number}} Key */

/**
 * What the client needs from the browser. Tests bring their own socket, clock and chance.
 * @typedef {object} Surroundings
 * @property {new (url: string, protocols: string) => WebSocket} WebSocket
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {(callback: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {() => number} now
 * @property {() => number} random
 * @property {() => boolean} online
 * @property {() => boolean} hidden
 */

/** A piece of a text. @typedef {{text: string, marked: boolean}} Piece */

/** The `detail` of a `select` event. @typedef {{hit: Hit, index: number, newTab: boolean}} Selection */

/**
 * The `detail` of a `submit` event: the text and the results shown at Enter. `ready` says that they were the results of
 * this very text.
 * @typedef {{text: string, hits: Hit[], ready: boolean}} Submission
 */

/**
 * What the combobox needs from the element.
 * @typedef {object} Host
 * @property {(name: string, detail: unknown) => boolean} emit dispatches an event; returns false if the page prevented it
 * @property {(value: string) => void} changed called with each new value of the field
 * @property {() => boolean} enter submits the page's form; returns false if there is none
 * @property {() => HTMLTemplateElement | null} template
 * @property {boolean} figures whether counts and times are shown
 * @property {import("./recent.js").RecentSearches} recent
 * @property {import("./markup.js").Messages} messages
 */

export {};
