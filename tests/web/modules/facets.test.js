import { createFacets } from "../facets.js";
import { build, MESSAGES, name } from "../markup.js";
import { equal, test } from "./harness.js";

/** Facets of these fields in a page, and what they told. */
function drawn(...fields) {
  const host = document.body.appendChild(document.createElement("div"));
  const root = host.attachShadow({ mode: "open" });
  const parts = build(root);
  name(parts, MESSAGES);
  const made = { parts, root, choices: 0, told: [] };
  made.facets = createFacets(parts, {
    messages: MESSAGES,
    choose: () => { made.choices += 1; },
    emit: (event, detail) => made.told.push([event, detail]),
  });
  made.facets.show(fields);
  made.say = (counts, { over = "filter", offset = 0, more = false } = {}) => made.facets.receive({
    facets: counts && Object.fromEntries(Object.entries(counts).map(([field, values]) => (
      [field, { values: values.map(([value, count]) => ({ value, count })), more }]
    ))),
    facetsOver: over,
    offset,
  });
  made.buttons = () => [...parts.groups.querySelectorAll("button")];
  made.look = () => made.buttons().map((button) => `${button.textContent}${button.getAttribute("aria-pressed") === "true" ? " ✓" : ""}`);
  made.press = (label) => made.buttons().find((button) => button.textContent.startsWith(label)).click();
  return made;
}

test("without fields there is nothing to see", () => {
  const made = drawn();
  made.say({ country: [["France", 1]] });
  equal([true, [], []], [made.parts.facets.hidden, made.look(), made.told]);
});

test("fields stand in the page's order, values in the server's", () => {
  const made = drawn("year", "country");
  made.say({ country: [["Italy", 2], ["France", 1]], year: [[2020, 3]], other: [["x", 1]] });
  equal(["2020 3", "Italy 2", "France 1"], made.look());
  made.say({ country: [["France", 4], ["Italy", 2]], year: [] });
  equal([["France 4", "Italy 2"], [true, false]], [made.look(), [...made.parts.groups.children].map((group) => group.hidden)]);
});

test("pressed buttons are the choice; values of different kinds are different", () => {
  const made = drawn("a");
  made.say({ a: [[1, 1], ["1", 1], [true, 1], ["true", 1]] });
  for (const button of made.buttons().slice(0, 3)) button.click();
  equal([{ a: [1, "1", true] }, 3, ["1 1 ✓", "1 1 ✓", "true 1 ✓", "true 1"]], [made.facets.choice(), made.choices, made.look()]);
  made.buttons()[1].click();
  equal({ a: [1, true] }, made.facets.choice());
  made.parts.clearFacets.click();
  equal([{}, 5, true], [made.facets.choice(), made.choices, made.parts.clearFacets.hidden]);
});

test("other values of a field stay to be chosen, without a count", () => {
  const made = drawn("a", "b");
  made.say({ a: [["x", 3], ["y", 2]], b: [["z", 5]] });
  made.press("x");
  made.say({ a: [["x", 3]], b: [["z", 3]] });
  equal(["x 3 ✓", "y", "z 3"], made.look());
  made.say({ a: [], b: [] });
  equal(["x ✓", "y"], made.look());
});

test("buttons keep their places and the focus while one of them has it", () => {
  const made = drawn("a");
  made.say({ a: [["x", 1], ["y", 1]] });
  const [, second] = made.buttons();
  second.focus();
  made.say({ a: [["y", 5], ["z", 4], ["x", 1]] });
  equal([["x 1", "y 5", "z 4"], true], [made.look(), made.root.activeElement === second]);
  second.blur();
  made.say({ a: [["y", 5], ["z", 4], ["x", 1]] });
  equal(["y 5", "z 4", "x 1"], made.look());
});

test("the focus of a button that goes is the field's", () => {
  const made = drawn("a");
  made.say({ a: [["x", 1]] });
  made.buttons()[0].focus();
  made.say({ a: [] });
  equal(made.parts.input, made.root.activeElement);
});

test("counts of the closest results are said to be that", () => {
  const made = drawn("a");
  made.say({ a: [["x", 1]] }, { over: "candidates" });
  equal([false, "Counts are of the closest results."], [made.parts.facetNote.hidden, made.parts.facetNote.textContent]);
  made.say({ a: [["x", 1]] });
  equal(true, made.parts.facetNote.hidden);
});

test("a page of hits and an answer without facets change nothing", () => {
  const made = drawn("a");
  made.say({ a: [["x", 1]] });
  made.say({ a: [["x", 9]] }, { offset: 8 });
  made.say(null);
  equal([["x 1"], 1], [made.look(), made.told.length]);
});

test("a field that is shown no more has no choice", () => {
  const made = drawn("a", "b");
  made.say({ a: [["x", 1]], b: [["y", 1]] });
  made.facets.choose({ a: ["x"], b: ["y"], c: ["z"] });
  equal({ a: ["x"], b: ["y"] }, made.facets.choice());
  made.facets.show(["b"]);
  equal([{ b: ["y"] }, ["y ✓"]], [made.facets.choice(), made.look()]);
});
