/**
 * Finds the query's words in a text and marks them: whole words, or their beginning, whatever the case and accents.
 * Text becomes text nodes and `<mark>` elements, never HTML. What may be shown at all is `untrusted.js`'s affair.
 * @module
 */

/**
 * A folded word of the query; `whole` words match whole words only.
 * @typedef {{text: string, whole: boolean}} QueryWord
 */

/**
 * A piece of a text.
 * @typedef {{text: string, marked: boolean}} Piece
 */

const WORD = /[\p{L}\p{N}\p{M}]+/gu;

/** Scripts written without spaces: a word of the query may start anywhere. */
const UNSPACED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Marking these says nothing about why a result stands there. */
const FUNCTION_WORDS = new Set(
  "a an and are as at be by can do does for from how i if in into is it my of on or the this to was what when where which who why with".split(" "),
);

/**
 * Without case and accents. Hangul falls into its letters, so half a syllable matches the whole one.
 * @param {string} text
 * @returns {string}
 */
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ς", "σ");
}

/**
 * The words to look for: function words only in a query that has nothing else, and very short words only whole, or
 * nearly every word would be marked. The word that is still being typed may be shorter.
 * @param {string} query
 * @returns {QueryWord[]}
 */
export function queryWords(query) {
  const words = [...new Set((query.match(WORD) ?? []).map(fold))].filter((word) => word !== "");
  const telling = words.filter((word) => !FUNCTION_WORDS.has(word));
  const chosen = telling.length > 0 ? telling : words;
  return chosen.map((text, i) => {
    const least = chosen.length === 1 ? 1 : i === chosen.length - 1 && !/\s$/.test(query) ? 2 : 3;
    return { text, whole: text.length < least && !UNSPACED.test(text) };
  });
}

/**
 * The text cut into marked and unmarked pieces; joined they are the text again.
 * @param {string} text
 * @param {QueryWord[]} words
 * @returns {Piece[]}
 */
export function pieces(text, words) {
  /** @type {Piece[]} */
  const found = [];
  let done = 0;
  for (const match of words.length > 0 ? text.matchAll(WORD) : []) {
    for (const [from, to] of rangesInWord(match[0], words)) {
      if (match.index + from > done) found.push({ text: text.slice(done, match.index + from), marked: false });
      found.push({ text: text.slice(match.index + from, match.index + to), marked: true });
      done = match.index + to;
    }
  }
  if (done < text.length) found.push({ text: text.slice(done), marked: false });
  return found;
}

/**
 * Put the pieces into an element as text nodes and `<mark>`s.
 * @param {Element} element
 * @param {Piece[]} parts
 */
export function fill(element, parts) {
  const nodes = parts.map((piece) => {
    if (!piece.marked) return document.createTextNode(piece.text);
    const mark = document.createElement("mark");
    mark.textContent = piece.text;
    return mark;
  });
  element.replaceChildren(...nodes);
}

/**
 * Where the query's words stand in one word of a text, as UTF-16 ranges in order, without overlap.
 * @param {string} word
 * @param {QueryWord[]} queries
 * @returns {[number, number][]}
 */
function rangesInWord(word, queries) {
  let folded = "";
  /** For each unit of `folded`, where the code point that it comes from begins and ends in `word`. @type {[number, number][]} */
  const origin = [];
  let unit = 0;
  for (const point of word) {
    const part = fold(point);
    for (let i = 0; i < part.length; i += 1) origin.push([unit, unit + point.length]);
    folded += part;
    unit += point.length;
    // A combining mark folds to nothing and belongs to the letter before it.
    if (part === "" && origin.length > 0) origin[origin.length - 1] = [origin[origin.length - 1][0], unit];
  }
  /** @type {[number, number][]} */
  const ranges = [];
  let prefix = 0;
  for (const query of queries) {
    if (UNSPACED.test(query.text)) {
      for (let at = folded.indexOf(query.text); at >= 0; at = folded.indexOf(query.text, at + query.text.length)) {
        ranges.push([origin[at][0], origin[at + query.text.length - 1][1]]);
      }
    } else if (query.whole ? folded === query.text : folded.startsWith(query.text)) {
      prefix = Math.max(prefix, origin[query.text.length - 1][1]);
    }
  }
  if (prefix > 0) ranges.push([0, prefix]);
  ranges.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  /** @type {[number, number][]} */
  const disjoint = [];
  for (const range of ranges) {
    const last = disjoint[disjoint.length - 1];
    if (last === undefined || range[0] >= last[1]) disjoint.push(range);
    else last[1] = Math.max(last[1], range[1]);
  }
  return disjoint;
}
