import type { DefineComponent, HTMLAttributes } from "vue";
import type { TypeaheadSearchEventMap, TypeaheadSearchProperties } from "./index.js";

export * from "./index.js";

type Handlers = {
  [Name in keyof TypeaheadSearchEventMap as `on${Capitalize<Name>}`]?: (event: TypeaheadSearchEventMap[Name]) => void;
};
type Own = keyof TypeaheadSearchProperties | keyof Handlers;

declare module "vue" {
  interface GlobalComponents {
    "typeahead-search": DefineComponent<Omit<HTMLAttributes, Own> & TypeaheadSearchProperties & Handlers>;
  }
}
