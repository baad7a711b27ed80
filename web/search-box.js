/**
 * `<typeahead-search src="wss://…">`: the search box as an element for any page. This module has its attributes,
 * properties and events, its part in forms, and the hotkeys that focus it. `combobox.js` is the box itself, and
 * `embedding.md` says how to use it.
 * @module
 */

import { attributeOf, isOff } from "./attributes.js";
import { TypeaheadClient } from "./client.js";
import { Combobox } from "./combobox.js";
import { BoxEvents } from "./events.js";
import { build, MESSAGES } from "./markup.js";
import { RecentSearches } from "./recent.js";
import { dress } from "./box-style.js";
import { filterJson, joined, names, parsed } from "./filter.js";

export { TypeaheadClient };

/** Attributes that are also properties, since frameworks prefer properties. */
const TEXTS = ["src", "http", "results", "minScore", "label", "placeholder", "name", "recent", "hotkeys", "index", "events"];
const FLAGS = ["figures", "disabled"];
/** Properties that a page may have set before this module was loaded. */
const EARLY = [...TEXTS, ...FLAGS, "value", "token", "messages", "filter", "facets", "chosen"];
const DEFAULT_RECENT = 5;
/** Attributes that another connection is needed for. */
const ASKED = ["src", "http", "results", "min-score", "index", "facets", "events"];

// Server-side rendering has no elements. Importing this module there does nothing.
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

export class TypeaheadSearch extends Base {
  static formAssociated = true;
  static observedAttributes = [...ASKED, "filter", "label", "aria-label", "placeholder", "value", "recent", "name", "figures"];

  static {
    /** @param {string} name @param {(element: Element) => unknown} get @param {(element: Element, value: any) => void} set */
    const reflect = (name, get, set) => Object.defineProperty(this.prototype, name, {
      configurable: true,
      enumerable: true,
      get() { return get(this); },
      set(value) { set(this, value); },
    });
    for (const name of TEXTS) {
      const attribute = name === "minScore" ? "min-score" : name;
      reflect(name, (element) => element.getAttribute(attribute) ?? "", (element, value) => {
        const text = attributeOf(attribute, value);
        if (text === null) element.removeAttribute(attribute);
        else element.setAttribute(attribute, text);
      });
    }
    for (const name of FLAGS) {
      reflect(name, (element) => element.hasAttribute(name), (element, value) => element.toggleAttribute(name, Boolean(value) && !isOff(String(value))));
    }
  }

  // Environments of unit tests have none, or a part of it.
  #internals = this.attachInternals?.();
  #parts;
  #box;
  #messages = MESSAGES;
  /** @type {string | null} */
  #token = null;
  /** @type {TypeaheadClient | null} */
  #client = null;
  /** Null before there is an address. @type {BoxEvents | null} */
  #events = null;
  #recent = new RecentSearches("", 0);
  /** Whether the value was typed or set. From then on the attribute is only what a reset goes back to. */
  #dirty = false;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    dress(root);
    this.#parts = build(root);
    const element = this;
    this.#box = new Combobox(this.#parts, {
      emit: (name, detail) => {
        this.#events?.heard(name, detail);
        return this.dispatchEvent(new CustomEvent(name, { detail, cancelable: true }));
      },
      changed: (value) => {
        this.#dirty = true;
        if (value.trim() === "") this.#events?.left(true);
        this.#internals?.setFormValue?.(value);
      },
      edited: () => this.dispatchEvent(new Event("input", { bubbles: true, composed: true })),
      committed: () => this.dispatchEvent(new Event("change", { bubbles: true })),
      enter: () => {
        this.form?.requestSubmit();
        return this.form !== null;
      },
      choose: () => this.#box.filterBy(this.#filter, true),
      template: () => this.querySelector(':scope > template[slot="result"]'),
      get figures() { return element.hasAttribute("figures") && !isOff(element.getAttribute("figures")); },
      get recent() { return element.#recent; },
      get messages() { return element.#messages; },
    });
  }

  /** The connection, with its own events. It is replaced with the attributes that it is made of. */
  get client() {
    return this.#client;
  }

  /** @returns {import("./types.js").State} */
  get state() {
    return this.#client?.state ?? "closed";
  }

  /** The newest results. */
  get hits() {
    return this.#box.hits;
  }

  /** Whether the panel is open. */
  get open() {
    return this.#box.isOpen;
  }

  /** The text in the field. Setting it does not open the panel; `type()` does. */
  get value() {
    return this.#parts.input.value;
  }

  set value(text) {
    const value = String(text ?? "");
    this.#dirty = true;
    // A framework sets what the user has just typed.
    if (value !== this.value) this.#box.fill(value);
  }

  get form() {
    return this.#internals?.form ?? null;
  }

  /** Which documents count; null for all. The user's choice of facets holds on top. @returns {import("./types.js").Filter | null} */
  get filter() {
    return /** @type {any} */ (parsed(this.getAttribute("filter")) ?? null);
  }

  /** @param {import("./types.js").Filter | string | null} filter an object, or its JSON */
  set filter(filter) {
    if (filter === null || filter === undefined) this.removeAttribute("filter");
    // What is no filter is kept as it is, so that it is found to be none.
    else this.setAttribute("filter", filterJson(filter) ?? String(filter));
  }

  /** The fields whose values are counted. @returns {string[]} */
  get facets() {
    return names(this.getAttribute("facets"));
  }

  /** @param {string[] | string | null} fields an array, or names with commas */
  set facets(fields) {
    if (fields === null || fields === undefined) this.removeAttribute("facets");
    else this.setAttribute("facets", typeof fields === "string" ? fields : JSON.stringify(fields));
  }

  /** The values of facets that the user has chosen, by field. Setting them searches again. */
  get chosen() {
    return this.#box.facets.choice();
  }

  set chosen(values) {
    this.#box.facets.choose(values ?? {});
  }

  /**
   * The bearer token, if the server needs one: then it sends a `problem` event with the code `unauthorized`. There is
   * no attribute for it, since attributes are visible in the page's source.
   * @param {string | null} token
   */
  set token(token) {
    this.#token = token;
    this.#box.calm();
    if (this.#client !== null) this.#client.token = token;
  }

  /** The words of the box. Those given replace the English ones. @param {Partial<typeof MESSAGES>} messages */
  set messages(messages) {
    this.#messages = { ...MESSAGES, ...messages };
    this.#box.facets.refresh();
    this.#named();
    this.#box.refresh();
  }

  get messages() {
    return this.#messages;
  }

  /**
   * Put a text into the field as if the user had typed it.
   * @param {string} text
   */
  type(text) {
    this.#box.type(text);
  }

  connectedCallback() {
    for (const name of EARLY) {
      if (!Object.hasOwn(this, name)) continue;
      const self = /** @type {any} */ (this);
      const early = self[name];
      delete self[name];
      self[name] = early;
    }
    this.#named();
    if (this.#client === null) this.#renew();
    this.#client?.connect();
    // A page with an open socket is not kept in the back/forward cache.
    addEventListener("pagehide", this.#away);
    addEventListener("pageshow", this.#back);
    this.addEventListener("focusout", this.#left);
    document.addEventListener("visibilitychange", this.#hidden);
    document.addEventListener("keydown", this.#hotkey);
    if (this.hasAttribute("autofocus") && document.activeElement === document.body) this.focus();
  }

  disconnectedCallback() {
    this.#client?.close();
    removeEventListener("pagehide", this.#away);
    removeEventListener("pageshow", this.#back);
    this.removeEventListener("focusout", this.#left);
    document.removeEventListener("visibilitychange", this.#hidden);
    document.removeEventListener("keydown", this.#hotkey);
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} now
   */
  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    if (name === "value") {
      if (!this.#dirty) this.#restore(now ?? "");
    } else if (name === "recent" || name === "name") {
      const recent = this.getAttribute("recent");
      const most = recent === null || isOff(recent) ? 0 : Number(recent) || DEFAULT_RECENT;
      this.#recent = new RecentSearches(this.getAttribute("name") ?? "", most);
    } else if (name === "figures") {
      this.#box.refresh();
    } else if (name === "filter") {
      if (now !== null && filterJson(parsed(now)) === null) console.warn("<typeahead-search>: the filter is no JSON object, so nothing is searched:", now);
      this.#box.filterBy(this.#filter);
    } else if (!ASKED.includes(name)) {
      this.#named();
    } else {
      // Another index has other values.
      if (name === "src" || name === "index") this.#box.facets.show([]);
      this.#box.facets.show(names(this.getAttribute("facets")));
      if (this.#client === null) return;
      this.#renew();
      if (this.isConnected) this.#client?.connect();
    }
  }

  formResetCallback() {
    this.#restore(this.getAttribute("value") ?? "");
  }

  /** @param {boolean} disabled */
  formDisabledCallback(disabled) {
    this.#parts.input.disabled = disabled;
  }

  /** @param {string} value */
  formStateRestoreCallback(value) {
    this.value = value;
  }

  /** @param {string} value */
  #restore(value) {
    if (value !== this.value) this.#box.fill(value);
    this.#dirty = false;
  }

  /** The page's filter and the user's choice; the attribute's text if that is no filter. @returns {unknown} */
  get #filter() {
    const text = this.getAttribute("filter");
    const page = parsed(text);
    return text === null || filterJson(page) !== null ? joined(/** @type {any} */ (page), this.chosen) : text;
  }

  /** Make a client for the current attributes. */
  #renew() {
    this.#client?.close();
    const src = new URL(this.getAttribute("src") ?? "./v1/type", document.baseURI);
    src.protocol = src.protocol.replace("http", "ws");
    const http = this.getAttribute("http");
    const facets = names(this.getAttribute("facets"));
    const least = Number(this.getAttribute("min-score"));
    const hello = {
      k: Number(this.getAttribute("results")) || 8,
      // Left out by default, as servers before 0.2.0 refuse it.
      min_score: least > 0 ? Math.min(least, 1) : undefined,
      facets: facets.length > 0 ? facets : undefined,
      token: this.#token ?? undefined,
    };
    this.#client = new TypeaheadClient(src, {
      hello,
      index: this.getAttribute("index") ?? undefined,
      // By default HTTP is beside the websocket.
      http: isOff(http) ? null : http ? new URL(http, document.baseURI).href : undefined,
    });
    this.#events = isOff(this.getAttribute("events")) ? null : new BoxEvents(src, () => this.#token);
    this.#box.serve(this.#client);
    this.#box.filterBy(this.#filter);
  }

  /** Name the field for screen readers. `aria-labelledby` cannot point out of a shadow root, so the text is copied. */
  #named() {
    const { input } = this.#parts;
    const labels = [...(this.#internals?.labels ?? [])].map((label) => label.textContent?.trim()).join(" ");
    const label = this.getAttribute("label") || this.getAttribute("aria-label") || labels || this.#messages.label;
    input.setAttribute("aria-label", label);
    input.placeholder = this.getAttribute("placeholder") ?? "";
    this.#parts.field.setAttribute("aria-label", label);
    this.#box.refresh();
  }

  #away = () => this.#client?.close();

  #left = () => this.#events?.left();

  /** The last event that a page is sure to get. A box that nobody is in was left before, or not used at all. */
  #hidden = () => {
    if (document.visibilityState === "hidden" && this.matches(":focus-within")) this.#events?.left();
  };

  #back = (/** @type {PageTransitionEvent} */ event) => {
    if (event.persisted) this.#client?.connect();
  };

  /** Ctrl or Cmd+K focuses the box, and so does `/` outside of text fields. */
  #hotkey = (/** @type {KeyboardEvent} */ event) => {
    if (event.defaultPrevented || event.isComposing || isOff(this.getAttribute("hotkeys"))) return;
    const command = event.ctrlKey || event.metaKey;
    const target = event.composedPath()[0];
    const typing = target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/.test(target.localName));
    const slash = event.key === "/" && !command && !event.altKey && !typing;
    const k = event.key.toLowerCase() === "k" && command && !event.altKey && !event.shiftKey;
    if (!(slash || k) || this.checkVisibility?.() === false) return;
    event.preventDefault();
    this.#parts.input.focus();
    this.#parts.input.select();
  };
}

if (globalThis.customElements?.get("typeahead-search") === undefined) {
  globalThis.customElements?.define("typeahead-search", TypeaheadSearch);
}
