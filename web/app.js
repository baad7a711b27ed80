/**
 * The page around the search box: its example queries.
 * @module
 */

import { TypeaheadSearch } from "./search-box.js";

const box = document.querySelector("typeahead-search");
if (box instanceof TypeaheadSearch) {
  for (const button of box.querySelectorAll("[data-example]")) {
    button.addEventListener("click", () => box.type(button.textContent ?? ""));
  }
}
