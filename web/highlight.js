/**
 * Draws marked text as text nodes and `<mark>` elements, never as HTML. The server decides which words are marked
 * (`typeahead/search/marks.py`).
 * @module
 */

/** @typedef {import("./types.js").Piece} Piece */

/** White space, control characters, and the bidi controls that reorder the text around them. */
const SPACE = /[\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/;

/**
 * Cut a text into marked and unmarked pieces: one line of at most `limit` code points, with single spaces and without
 * control characters. Only the start of the text is read, so a megabyte costs no more than a line.
 * @param {string} text
 * @param {import("./types.js").Span[]} spans in code points of the text; anything outside it is ignored
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
 * Replace an element's content with the pieces.
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
 * Join neighbours of the same kind.
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
