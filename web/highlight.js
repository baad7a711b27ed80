/**
 * Draws the marks that the server sent: text becomes text nodes and `<mark>` elements, never HTML. Whose words are
 * marked, and where, is the server's affair (`typeahead/server/marks.py`).
 * @module
 */

/** @typedef {import("./types.js").Piece} Piece */

/** White space, control characters, and the bidi embeddings, overrides and isolates that reorder the text around them. */
const SPACE = /[\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/;

/**
 * A text as one line of at most `limit` code points, with single spaces and without controls, cut into marked and
 * unmarked pieces. Only the first few thousand characters are looked at, so that a megabyte costs no more than a line.
 * @param {string} text
 * @param {import("./types.js").Span[]} spans in code points of the text; whatever lies outside it is left out
 * @param {number} limit
 * @returns {Piece[]}
 */
export function pieces(text, spans, limit) {
  const marked = new Set();
  for (const [start, end] of spans) {
    for (let at = Math.max(0, start); at < Math.min(end, 4 * limit); at += 1) marked.add(at);
  }
  /** @type {Piece[]} */
  const line = [];
  let at = 0;
  for (const point of text.slice(0, 4 * limit)) {
    const space = SPACE.test(point);
    if (!space || (line.length > 0 && line[line.length - 1].text !== " ")) {
      line.push({ text: space ? " " : point, marked: marked.has(at) });
    }
    at += 1;
  }
  const trim = () => { while (line[line.length - 1]?.text === " ") line.pop(); };
  trim();
  if (text.length > 4 * limit || line.length > limit) {
    line.length = Math.min(line.length, limit - 1);
    trim();
    line.push({ text: "…", marked: false });
  }
  return joined(line);
}

/**
 * Put the pieces into an element as text nodes and `<mark>`s.
 * @param {Element} element
 * @param {Piece[]} parts
 */
export function fill(element, parts) {
  const nodes = parts.map(({ text, marked }) => {
    if (!marked) return document.createTextNode(text);
    const mark = document.createElement("mark");
    mark.setAttribute("part", "mark");
    mark.textContent = text;
    return mark;
  });
  element.replaceChildren(...nodes);
}

/**
 * Neighbours of one kind as one piece.
 * @param {Piece[]} line
 */
function joined(line) {
  /** @type {Piece[]} */
  const parts = [];
  for (const { text, marked } of line) {
    const last = parts[parts.length - 1];
    if (last?.marked === marked) last.text += text;
    else parts.push({ text, marked });
  }
  return parts;
}
