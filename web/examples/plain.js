/**
 * What a page may do with the box: hear which result was chosen, and keep the browser where it is.
 * @module
 */

const box = document.querySelector("typeahead-search");
const chosen = document.querySelector("#chosen");
box?.addEventListener("select", (event) => {
  const { hit } = /** @type {CustomEvent<import("../types.js").Selection>} */ (event).detail;
  event.preventDefault();
  if (chosen !== null) chosen.textContent = `Chosen: ${hit.title}`;
});
