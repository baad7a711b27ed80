/**
 * The page around the search box: its example queries.
 * @module
 */

import { TypeaheadSearch } from "./search-box.js";
import { oneLine } from "./untrusted.js";

const box = document.querySelector("typeahead-search");
const examples = document.querySelector("#examples");
if (box instanceof TypeaheadSearch && examples instanceof HTMLElement) {
  // The server knows what its index holds, and so what is worth a try.
  box.addEventListener("welcome", (event) => {
    const { detail } = /** @type {CustomEvent<import("./client.js").Welcome>} */ (event);
    const queries = (Array.isArray(detail.examples) ? detail.examples : []).slice(0, 5).map(String);
    examples.hidden = queries.length === 0;
    examples.querySelector("ul")?.replaceChildren(
      ...queries.map((query) => {
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
