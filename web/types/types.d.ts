/**
 * Types shared by the other modules. Browsers never load this file.
 * @module
 */
export type Span = [number, number];
export type Hit = {
    id: string;
    score: number;
    title: string;
    text: string;
    url: string;
    copies: number;
    marks: {
        title: Span[];
        text: Span[];
    };
    index?: string;
};
export type Value = string | number | boolean;
export type Filter = Record<string, unknown>;
export type Facets = Record<string, {
    values: {
        value: Value;
        count: number;
    }[];
    more: boolean;
}>;
export type FacetsShown = {
    facets: Facets;
    over: "filter" | "candidates";
    chosen: Record<string, Value[]>;
};
export type State = "closed" | "connecting" | "open" | "http" | "waiting" | "offline" | "asleep" | "refused";
export type Answer = {
    seq: number;
    text: string;
    hits: Hit[];
    offset: number;
    more: boolean;
    facets: Facets | null;
    facetsOver: "filter" | "candidates";
    weak: boolean;
    stale: boolean;
    partial: boolean;
    submit: boolean;
    ready: boolean;
    keyAt: number | null;
    sentAt: number | null;
    timing: Record<string, number>;
};
export type Problem = {
    code: string;
    message: string;
};
export type Welcome = Record<string, unknown>;
export type Key = {
    text: string;
    keyAt: number | null;
    edit: boolean;
    submit: boolean;
    filter?: string;
    offset?: number;
    sentAt?: number;
};
export type Surroundings = {
    WebSocket: new (url: string, protocols: string) => WebSocket;
    fetch: (url: string, init: RequestInit) => Promise<Response>;
    setTimeout: (callback: () => void, ms: number) => any;
    clearTimeout: (timer: any) => void;
    now: () => number;
    random: () => number;
    online: () => boolean;
    hidden: () => boolean;
};
export type Piece = {
    text: string;
    marked: boolean;
};
export type Selection = {
    hit: Hit;
    index: number;
    newTab: boolean;
};
export type Submission = {
    text: string;
    hits: Hit[];
    ready: boolean;
};
/** Start and end in code points, the end exclusive. @typedef {[number, number]} Span */
/**
 * A result. `marks` are the places of the query's words in title and text. `copies` is how many documents have this
 * title and text; they share this result. `index` is the index that has the document, if several are searched.
 * @typedef {{id: string, score: number, title: string, text: string, url: string, copies: number,
 *   marks: {title: Span[], text: Span[]}, index?: string}} Hit
 */
/** A value of a document's field. @typedef {string | number | boolean} Value */
/**
 * Which documents count: `{country: "France", year: {gte: 2019}, tags: ["a", "b"], not: {draft: true}}`. All keys have
 * to hold, and any value of a list. `any` is a list of filters, of which one has to hold.
 * @typedef {Record<string, unknown>} Filter
 */
/**
 * By field, the values that documents have, and how many documents have each. `more` says that there are more values.
 * @typedef {Record<string, {values: {value: Value, count: number}[], more: boolean}>} Facets
 */
/**
 * The `detail` of a `typeahead-facets` event. `over` says what is counted: all documents that the filter admits, or
 * only the closest ones. `chosen` holds the values that the user has chosen, by field.
 * @typedef {{facets: Facets, over: "filter" | "candidates", chosen: Record<string, Value[]>}} FacetsShown
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
 * The `detail` of a `hits` event: the answer to a text. After "More results", `hits` has all pages so far, and `offset`
 * is where the newest page starts; `more` says that there may be another. `facets` is null if none were asked for.
 * `weak` says that even the best hit is a poor one, `stale` that the documents may have changed since, `partial` that
 * hits may be missing, `submit` that it answers Enter, `ready` that it was there before Enter. `keyAt` is when the key was pressed, in milliseconds of the page's clock, or null if no key asked. `sentAt` is
 * when the question was sent. `timing` is the server's, in microseconds, for operators only.
 * @typedef {{seq: number, text: string, hits: Hit[], offset: number, more: boolean, facets: Facets | null,
 *   facetsOver: "filter" | "candidates", weak: boolean, stale: boolean, partial: boolean, submit: boolean, ready: boolean, keyAt: number | null,
 *   sentAt: number | null, timing: Record<string, number>}} Answer
 */
/** A refusal: an error code of `typeahead.v1`, and a message for users. @typedef {{code: string, message: string}} Problem */
/** The server's hello: see `write_hello` in `typeahead/wire/replies.py`. @typedef {Record<string, unknown>} Welcome */
/**
 * A keystroke, an Enter or a wish for more that was sent: `edit` if it went as a difference, `filter` as JSON, `offset`
 * where the page starts.
 * @typedef {{text: string, keyAt: number | null, edit: boolean, submit: boolean, filter?: string, offset?: number,
 *   sentAt?: number}} Key
 */
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
export {};
