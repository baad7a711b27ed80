/**
 * DOM helpers for all parts of the page. Text goes in as text, never as HTML.
 * @module
 */

/**
 * @param {string} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className !== "") made.className = className;
  if (text !== "") made.textContent = text;
  return made;
}

/**
 * The page's element with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element #${id}`);
  return found;
}

/**
 * Set a text if it has changed.
 * @param {Element} where
 * @param {string} text
 */
export function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/**
 * Fill a table's body with rows of cells, reusing existing rows. The first cell of a row is its heading.
 * @param {Element} body
 * @param {string[][]} rows
 */
export function fillTable(body, rows) {
  while (body.children.length > rows.length) body.lastElementChild?.remove();
  rows.forEach((cells, at) => {
    const row = body.children[at] ?? body.appendChild(document.createElement("tr"));
    cells.forEach((text, column) => {
      let cell = row.children[column];
      if (cell === undefined) {
        cell = document.createElement(column === 0 ? "th" : "td");
        if (column === 0) cell.setAttribute("scope", "row");
        row.append(cell);
      }
      setText(cell, text);
    });
  });
}
