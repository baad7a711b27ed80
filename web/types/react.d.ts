import type { ClassAttributes, HTMLAttributes } from "react";
import type { TypeaheadSearch, TypeaheadSearchEventMap, TypeaheadSearchProperties } from "./index.js";

export * from "./index.js";

/** From React 19 on: `onhits`, `onselect`. Before, events need `addEventListener`. */
type Handlers = { [Name in keyof TypeaheadSearchEventMap as `on${Name}`]?: (event: TypeaheadSearchEventMap[Name]) => void };
type Own = keyof TypeaheadSearchProperties | keyof Handlers;
type BoxAttributes = Omit<HTMLAttributes<TypeaheadSearch>, Own> & TypeaheadSearchProperties & Handlers & { "min-score"?: number };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "typeahead-search": ClassAttributes<TypeaheadSearch> & BoxAttributes;
    }
  }
}
