export { TypeaheadClient, TypeaheadSearch } from "./search-box.js";
export type * from "./types.js";
export type { Messages } from "./markup.js";
export type { TypeaheadClientEventMap, TypeaheadSearchEventMap, TypeaheadSearchProperties } from "./elements.js";
