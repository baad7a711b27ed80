/**
 * Small things that all parts of the page need of the DOM. Text goes in as text, never as HTML.
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
 * The element of the page with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page lacks its element #${id}`);
  return found;
}

/**
 * Set a text, unless it stands there already.
 * @param {Element} where
 * @param {string} text
 */
export function setText(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/**
 * Fill a table's body with rows of cells, using again the rows that are there. The first cell is the row's heading.
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
