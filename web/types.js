/**
 * The types of the other modules, by name; browsers never load this file.
 * @module
 */

/** From a code point to before another. @typedef {[number, number]} Span */

/**
 * A result. `marks` say where the query's words stand in title and text.
 * @typedef {{id: string, score: number, title: string, text: string, url: string,
 *   marks: {title: Span[], text: Span[]}}} Hit
 */

/**
 * - `closed`: nobody asked for a connection.
 * - `connecting`, `open`: the websocket.
 * - `http`: there is no websocket, and searches go over HTTP; the websocket is tried from time to time.
 * - `waiting`: the connection is lost and is tried again. `offline`: the same, and the browser knows of no network.
 * - `asleep`: the server hung up on a client that said nothing for long; the next key, or `connect()`, wakes it.
 * - `refused`: the server does not want this client; only `connect()` or a new token tries again.
 * @typedef {"closed" | "connecting" | "open" | "http" | "waiting" | "offline" | "asleep" | "refused"} State
 */

/**
 * What a `hits` event carries: the answer to a text. `submit`: to Enter; `ready`: it was there before Enter. `keyAt` is
 * the time of the key that asked, in milliseconds of the page's clock, null where no key did but a new connection;
 * `sentAt` is when the question went out. `timing` is the server's, in microseconds; only operators get it.
 * @typedef {{seq: number, text: string, hits: Hit[], submit: boolean, ready: boolean, keyAt: number | null,
 *   sentAt: number | null, timing: Record<string, number>}} Answer
 */

/** Something that was refused: a code of `typeahead.v1`, and words for people. @typedef {{code: string, message: string}} Problem */

/** What the server agreed to: see `write_hello` in `typeahead/replies.py`. @typedef {Record<string, unknown>} Welcome */

/** A message that awaits its answer. @typedef {{text: string, keyAt: number | null, edit: boolean, submit: boolean, sentAt?: number}} Key */

/**
 * What the client needs of its surroundings; tests put their own socket, clock and chance here.
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

/** What a `select` event carries. @typedef {{hit: Hit, index: number, newTab: boolean}} Selection */

/**
 * What a `submit` event carries: the text, and the results that stood there at Enter; `ready` where they were the
 * text's own.
 * @typedef {{text: string, hits: Hit[], ready: boolean}} Submission
 */

/**
 * What the combobox asks of the element.
 * @typedef {object} Host
 * @property {(name: string, detail: unknown) => boolean} emit dispatches an event; false if the page prevented it
 * @property {(value: string) => void} changed the field has this value now
 * @property {() => boolean} enter does what Enter does in the page's form; false if there is none
 * @property {() => HTMLTemplateElement | null} template
 * @property {boolean} figures whether counts and times are shown
 * @property {import("./recent.js").RecentSearches} recent
 * @property {import("./markup.js").Messages} messages
 */

export {};
