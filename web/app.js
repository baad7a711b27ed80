/**
 * The page around the search box: example queries, the form for a token if the server needs one, and reports of how
 * long users waited.
 * @module
 */

import { TypeaheadSearch } from "./search-box.js";
import { ClientTimings } from "./timings.js";
import { keepToken, keptToken } from "./token.js";
import { oneLine } from "./untrusted.js";

const box = document.querySelector("typeahead-search");
const examples = document.querySelector("#examples");
if (box instanceof TypeaheadSearch && examples instanceof HTMLElement) {
  // Only the server knows its index, and so which queries are worth a try.
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

const form = document.querySelector("#token");
const field = form?.querySelector("input");
if (box instanceof TypeaheadSearch && form instanceof HTMLFormElement && field) {
  box.token = keptToken();
  box.addEventListener("problem", (event) => {
    const { detail } = /** @type {CustomEvent<import("./types.js").Problem>} */ (event);
    if (detail.code !== "unauthorized") return;
    keepToken(null);
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
    keepToken(token);
    box.token = token;
  });
}

if (box instanceof TypeaheadSearch) {
  new ClientTimings(box, new URL("./v1/client-timings", document.baseURI), { token: keptToken });
}
