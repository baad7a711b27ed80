import type { HTMLAttributes } from "svelte/elements";
import type { TypeaheadSearch, TypeaheadSearchEventMap, TypeaheadSearchProperties } from "./index.js";

export * from "./index.js";

type Handlers = { [Name in keyof TypeaheadSearchEventMap as `on${Name}`]?: (event: TypeaheadSearchEventMap[Name]) => void };
type Own = keyof TypeaheadSearchProperties | keyof Handlers;

declare module "svelte/elements" {
  interface SvelteHTMLElements {
    "typeahead-search": Omit<HTMLAttributes<TypeaheadSearch>, Own> & TypeaheadSearchProperties & Handlers;
  }
}
