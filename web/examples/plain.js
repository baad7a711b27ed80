/**
 * What a page can do with the box: learn which result was chosen, and stay on the page.
 * @module
 */

const box = document.querySelector("typeahead-search");
const chosen = document.querySelector("#chosen");
box?.addEventListener("select", (event) => {
  const { hit } = /** @type {CustomEvent<import("../types.js").Selection>} */ (event).detail;
  event.preventDefault();
  if (chosen !== null) chosen.textContent = `Chosen: ${hit.title}`;
});
