import { fill, pieces, queryWords } from "../highlight.js";
import { equal, test } from "./harness.js";

/** @param {string} text @param {string} query */
const marked = (text, query) => pieces(text, queryWords(query)).map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join("");

test("a word of the query marks the words that begin with it", () => {
  equal("os.path.[join]: [Join]s paths, not disjoint ones", marked("os.path.join: Joins paths, not disjoint ones", "join"));
});

test("case and accents do not matter, on either side", () => {
  equal("[Café] au lait, [CAFE\u0301]", marked("Café au lait, CAFE\u0301", "cafe"));
  equal("[resume]", marked("resume", "RÉSUMÉ"));
  equal("[ΟΔΟΣ]", marked("ΟΔΟΣ", "οδος"));
});

test("half a Hangul syllable marks the whole one", () => {
  equal("[한]국어", marked("한국어", "하"));
});

test("words of scripts without spaces are found inside a run", () => {
  equal("明日の[東京]都の天気、[東京]", marked("明日の東京都の天気、東京", "東京"));
});

test("function words are not marked beside telling ones, but are when they are all there is", () => {
  equal("read the [file] by the line", marked("read the file by the line", "the file"));
  equal("[to] be or not [to] be", marked("to be or not to be", "to"));
});

test("one or two letters mark whole words only, unless they are the whole query", () => {
  equal("[list] as [C], [c] code", marked("list as C, c code", "list as c"));
  equal("[re]ad, [re]ply", marked("read, reply", "re"));
});

test("the word being typed marks from two letters on", () => {
  equal("[path] [jo]in, jaw", marked("path join, jaw", "path jo"));
  equal("[path] join", marked("path join", "path jo "));
  equal("[path] join", marked("path join", "path j"));
});

test("letters beyond the BMP are never cut in half", () => {
  equal("[𝐡𝐞]𝐥𝐥𝐨", marked("𝐡𝐞𝐥𝐥𝐨", "𝐡𝐞"));
});

test("the pieces are the text, whatever stands in it", () => {
  for (const text of ["", "<b>bold</b> &amp;", "a\u202eb\u0000c", "\ud83e lone", "e\u0301\u0301\u0301", "🥚".repeat(50)]) {
    equal(text, pieces(text, queryWords("b bold e lone 🥚")).map((piece) => piece.text).join(""));
  }
});

test("a query without words marks nothing", () => {
  equal("a + b", marked("a + b", "+ ?!"));
});

test("markup in a text becomes text, marked or not", () => {
  const element = document.createElement("p");
  fill(element, pieces("<img src=x onerror=alert(1)> script", queryWords("script img")));
  equal(["MARK", "MARK"], [...element.children].map((child) => child.tagName));
  equal("<img src=x onerror=alert(1)> script", element.textContent);
});
