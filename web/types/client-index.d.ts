export { TypeaheadClient } from "./client.js";
export type * from "./types.js";
export type { TypeaheadClientEventMap } from "./elements.js";
