/**
 * Written by hand: what the other declarations, which are made from the modules, cannot say. The properties that the
 * element defines from lists of names, and the types of events by their names.
 * @module
 */

import type { Answer, FacetsShown, Filter, Problem, Selection, State, Submission, Value, Welcome } from "./types.js";
import type { TypeaheadSearch } from "./search-box.js";
import type { TypeaheadClient } from "./client.js";

/** What a client tells. */
export interface TypeaheadClientEventMap {
  hits: CustomEvent<Answer>;
  statechange: CustomEvent<State>;
  welcome: CustomEvent<Welcome>;
  problem: CustomEvent<Problem>;
}

/** What a box tells, besides `input` and `change`. */
export interface TypeaheadSearchEventMap extends TypeaheadClientEventMap {
  "typeahead-facets": CustomEvent<FacetsShown>;
  weak: CustomEvent<boolean>;
  stale: CustomEvent<boolean>;
  partial: CustomEvent<boolean>;
  select: CustomEvent<Selection>;
  submit: CustomEvent<Submission>;
}

/** The attributes and properties that a page may set, by the names of the properties. */
export interface TypeaheadSearchProperties {
  src?: string;
  http?: string | boolean;
  results?: string | number;
  minScore?: string | number;
  index?: string;
  filter?: Filter | string | null;
  facets?: string[] | string | null;
  chosen?: Record<string, Value[]>;
  label?: string;
  placeholder?: string;
  name?: string;
  value?: string;
  token?: string | null;
  messages?: TypeaheadSearch["messages"];
  recent?: string | number | boolean;
  hotkeys?: string | boolean;
  events?: string | boolean;
  figures?: boolean;
  disabled?: boolean;
  autofocus?: boolean;
}

type Listener<Target, Event> = ((this: Target, event: Event) => unknown) | { handleEvent(event: Event): unknown };

declare module "./search-box.js" {
  interface TypeaheadSearch {
    src: string;
    http: string;
    results: string;
    minScore: string;
    index: string;
    label: string;
    placeholder: string;
    name: string;
    recent: string;
    hotkeys: string;
    events: string;
    figures: boolean;
    disabled: boolean;
    addEventListener<Name extends keyof TypeaheadSearchEventMap>(
      type: Name,
      listener: Listener<TypeaheadSearch, TypeaheadSearchEventMap[Name]>,
      options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener<Name extends Exclude<keyof HTMLElementEventMap, keyof TypeaheadSearchEventMap>>(
      type: Name,
      listener: Listener<TypeaheadSearch, HTMLElementEventMap[Name]>,
      options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener(
      type: string,
      listener: EventListenerOrEventListenerObject,
      options?: boolean | AddEventListenerOptions,
    ): void;
  }
}

declare module "./client.js" {
  interface TypeaheadClient {
    addEventListener<Name extends keyof TypeaheadClientEventMap>(
      type: Name,
      listener: Listener<TypeaheadClient, TypeaheadClientEventMap[Name]>,
      options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener(
      type: string,
      listener: EventListenerOrEventListenerObject | null,
      options?: boolean | AddEventListenerOptions,
    ): void;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "typeahead-search": TypeaheadSearch;
  }
}
