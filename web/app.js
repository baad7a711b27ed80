/**
 * The page around the search box: its example queries, and the token that a server may ask for.
 * @module
 */

import { TypeaheadSearch } from "./search-box.js";
import { oneLine } from "./untrusted.js";

const box = document.querySelector("typeahead-search");
const examples = document.querySelector("#examples");
if (box instanceof TypeaheadSearch && examples instanceof HTMLElement) {
  // The server knows what its index holds, and so what is worth a try.
  box.addEventListener("welcome", (event) => {
    const { detail } = /** @type {CustomEvent<import("./types.js").Welcome>} */ (event);
    const queries = (Array.isArray(detail.examples) ? detail.examples : []).slice(0, 5).map(String);
    examples.hidden = queries.length === 0;
    examples.querySelector("ul")?.replaceChildren(
      ...queries.map((/** @type {string} */ query) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = oneLine(query, 80);
        button.addEventListener("click", () => box.type(query));
        const item = document.createElement("li");
        item.append(button);
        return item;
      }),
    );
  });
}

const TOKEN = "typeahead-token";
const form = document.querySelector("#token");
const field = form?.querySelector("input");
if (box instanceof TypeaheadSearch && form instanceof HTMLFormElement && field) {
  box.token = kept();
  box.addEventListener("problem", (event) => {
    const { detail } = /** @type {CustomEvent<import("./types.js").Problem>} */ (event);
    if (detail.code !== "unauthorized") return;
    keep(null);
    form.reset();
    form.hidden = false;
    field.focus();
  });
  box.addEventListener("welcome", () => {
    if (!form.hidden) box.focus();
    form.hidden = true;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const token = field.value.trim();
    keep(token);
    box.token = token;
  });
}

/**
 * The token of this tab, if it has one.
 * @returns {string | null}
 */
function kept() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/** @param {string | null} token */
function keep(token) {
  try {
    if (token === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, token);
  } catch {
    // A browser that allows pages no storage asks again with each load.
  }
}
