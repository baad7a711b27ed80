import { fill, pieces } from "../highlight.js";
import { equal, test } from "./harness.js";

/** @param {string} text @param {[number, number][]} spans @param {number} [limit] */
const drawn = (text, spans, limit = 80) => pieces(text, spans, limit).map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join("");

test("spans become marks", () => {
  equal("os.[path].[join]", drawn("os.path.join", [[3, 7], [8, 12]]));
  equal("[all]", drawn("all", [[0, 3]]));
  equal("none", drawn("none", []));
});

test("spans count code points, so pairs are never cut in half", () => {
  equal("🥚[𝐡𝐞]𝐥𝐥𝐨", drawn("🥚𝐡𝐞𝐥𝐥𝐨", [[1, 3]]));
});

test("marks stay on their words when spaces and controls before them go", () => {
  equal("a b [word] end", drawn("\u202e a\n\n\tb\u0000 word \u2066end ", [[9, 13]]));
});

test("whatever stands in the spans, the text is drawn", () => {
  for (const spans of [[[5, 2]], [[-3, 1]], [[1, 1e9]], [[0.5, 1.5]], [["a", {}]], [[]], [[NaN, null]]]) {
    equal("abc", pieces("abc", /** @type {any} */ (spans), 80).map((piece) => piece.text).join(""));
  }
});

test("a mark that the ellipsis cuts ends there", () => {
  equal("ab[cd]…", drawn("abcdefgh", [[2, 8]], 5));
});

test("neighbours are one piece", () => {
  equal([{ text: "ab", marked: true }], pieces("ab", [[0, 1], [1, 2]], 80));
});

test("a megabyte with a span round it costs no more than a line", () => {
  equal(10, pieces("ab".repeat(500_000), [[0, 1_000_000]], 10).map((piece) => piece.text).join("").length);
});

test("markup in a text becomes text, marked or not", () => {
  const element = document.createElement("p");
  fill(element, pieces("<img src=x onerror=alert(1)> script", [[1, 4], [29, 35]], 80));
  equal(["MARK", "MARK"], [...element.children].map((child) => child.tagName));
  equal("<img src=x onerror=alert(1)> script", element.textContent);
});
