import { build, MESSAGES, name } from "../markup.js";
import { createPanel } from "../panel.js";
import { equal, test } from "./harness.js";

/** A panel in a page, and how often it was asked for more. */
function drawn() {
  const host = document.body.appendChild(document.createElement("div"));
  const root = host.attachShadow({ mode: "open" });
  const parts = build(root);
  name(parts, MESSAGES);
  const made = { parts, root, asked: 0 };
  made.panel = createPanel(parts, () => null, () => MESSAGES, () => { made.asked += 1; });
  return made;
}

function hits(...titles) {
  return titles.map((title) => ({ id: title, score: 1, title, text: "", url: "https://a.example/", copies: 1, marks: { title: [], text: [] } }));
}

/** What is to be seen: which parts, and the rows in them. */
function look({ parts }) {
  const { answers, empty, input, message, options, panel, recent, settled, weak } = parts;
  const rows = (list) => [...list.children].map((item) => item.textContent.replace("a.example", ""));
  return {
    seen: Object.entries({ panel, options, recent, settled, answers, message, empty, weak })
      .filter(([, part]) => !part.closest("[hidden]")).map(([name]) => name).join(" "),
    rows: [rows(options), rows(answers)],
    words: message.textContent,
    expanded: input.getAttribute("aria-expanded"),
  };
}

test("an open panel lists the hits as options", () => {
  const made = drawn();
  made.panel.open(hits("a", "b"), "");
  equal({ seen: "panel options", rows: [["a", "b"], []], words: "", expanded: "true" }, look(made));
  equal([true, ["option", "option"]], [made.panel.isOpen(), made.panel.options.targets.map((row) => row.getAttribute("role"))]);
});

test("without hits the panel says so, and counts as collapsed", () => {
  const made = drawn();
  made.panel.open([], "Nothing");
  equal({ seen: "panel message", rows: [[], []], words: "Nothing", expanded: "false" }, look(made));
});

test("a closed panel shows nothing", () => {
  const made = drawn();
  made.panel.open(hits("a"), "");
  made.panel.close();
  equal(["", "false", false], [look(made).seen, look(made).expanded, made.panel.isOpen()]);
});

test("settled results are links of the page", () => {
  const made = drawn();
  made.panel.open(hits("a"), "");
  made.panel.settle(hits("a", "b"), "");
  equal(["settled answers", [["a"], ["a", "b"]]], [look(made).seen, look(made).rows]);
  equal([null, null], made.panel.answers.targets.map((row) => row.getAttribute("role")));
  made.panel.settle([], "Nothing");
  equal(["settled message", "Nothing"], [look(made).seen, look(made).words]);
});

test("steps go round the options and the field", () => {
  const { panel, parts } = drawn();
  panel.move(1);
  equal(undefined, panel.active());
  panel.open(hits("a", "b"), "");
  const walk = (step) => {
    panel.move(step);
    return panel.options.targets.indexOf(panel.active());
  };
  equal([0, 1, -1, 0], [1, 1, 1, 1].map(walk));
  equal([-1, 1], [-1, -1].map(walk));
  equal([panel.active().id, "true"], [parts.input.getAttribute("aria-activedescendant"), panel.active().getAttribute("aria-selected")]);
  panel.activate();
  equal([null, 0], [parts.input.getAttribute("aria-activedescendant"), parts.options.querySelectorAll("[aria-selected=true]").length]);
});

test("nothing is active in a closed panel", () => {
  const { panel } = drawn();
  panel.open(hits("a"), "");
  panel.move(1);
  panel.close();
  equal(undefined, panel.active());
  panel.move(1);
  equal(undefined, panel.active());
});

test("recent searches are options, and one that is clicked is picked", () => {
  const made = drawn();
  const picked = [];
  made.panel.offer(["egg", "soup"], (text) => picked.push(text));
  equal([["egg", "soup"], "true", true], [look(made).rows[0], look(made).expanded, made.panel.isOffering()]);
  made.panel.move(1);
  equal("egg", made.panel.active().textContent);
  made.parts.options.children[1].firstElementChild.click();
  equal(["soup"], picked);
});

test("results, or a closed panel, take the place of recent searches", () => {
  for (const end of [(panel) => panel.open(hits("a"), ""), (panel) => panel.close()]) {
    const made = drawn();
    made.panel.offer(["egg"], () => {});
    end(made.panel);
    equal([false, true, false], [made.panel.isOffering(), made.parts.recent.hidden, look(made).rows[0].includes("egg")]);
  }
});

test("why no results come stands in the panel until it is taken back", () => {
  const made = drawn();
  made.panel.sayAway("", false);
  equal("empty", look(made).seen);
  made.panel.sayAway("Away", false);
  equal(["panel message", "Away"], [look(made).seen, look(made).words]);
  made.panel.sayAway("", false);
  equal("", look(made).seen);
});

test("what is said of no hits is not taken back with it", () => {
  const made = drawn();
  made.panel.open([], "Nothing");
  made.panel.sayAway("", false);
  equal(["panel message", "Nothing"], [look(made).seen, look(made).words]);
});

test("a reset box looks as it did at first", () => {
  const made = drawn();
  const first = look(made);
  made.panel.open(hits("a"), "");
  made.panel.settle([], "Nothing");
  made.panel.close();
  made.panel.reset();
  equal({ ...first, words: "Nothing" }, look(made));
});

test("poor hits stand apart under a line, in the panel and in the page, until better ones come", () => {
  const made = drawn();
  const dimmed = () => [made.panel.options, made.panel.answers].map(({ targets }) => targets.filter(({ part }) => part.contains("weak-row")).length);
  made.panel.open(hits("a", "b"), "", true);
  equal(["panel options weak", [2, 0], undefined], [look(made).seen, dimmed(), made.panel.active()]);
  equal(made.parts.weak, made.parts.options.previousElementSibling);
  made.panel.settle(hits("a"), "", true);
  equal(["settled answers weak", [2, 1]], [look(made).seen, dimmed()]);
  made.panel.open(hits("a", "b"), "");
  equal(["panel options", 0], [look(made).seen, dimmed()[0]]);
  made.panel.open(hits("a"), "", true);
  made.panel.reset();
  made.panel.offer(["egg"], () => {});
  equal(true, made.parts.weak.hidden);
});

test("a row says how many copies it stands for, and takes that back", () => {
  const made = drawn();
  const [hit] = hits("a");
  made.panel.open([{ ...hit, copies: 3 }], "");
  equal([["a3 copies"]], [look(made).rows[0]]);
  made.panel.open([hit], "");
  equal([["a"]], [look(made).rows[0]]);
});

test("the last row asks for more, and is the first new one when that has come", () => {
  const made = drawn();
  const { panel } = made;
  panel.open(hits("a", "b"), "", false, true);
  equal([["a", "b", "More results"]], [look(made).rows[0]]);
  panel.move(-1);
  equal("More results", panel.active().textContent);
  panel.active().click();
  equal(1, made.asked);
  panel.open(hits("a", "b", "c"), "", false, true);
  equal(["ca.example", "true", 1], [panel.active().textContent, panel.active().getAttribute("aria-selected"), made.parts.options.querySelectorAll("[aria-selected=true]").length]);
  panel.move(1);
  panel.open(hits("a", "b", "c"), "");
  equal(["ca.example", ["a", "b", "c"]], [panel.active().textContent, look(made).rows[0]]);
});

test("recent searches have no row for more", () => {
  const made = drawn();
  made.panel.open(hits("a"), "", false, true);
  made.panel.close();
  made.panel.offer(["egg"], () => {});
  equal(["egg"], look(made).rows[0]);
});

test("in the page a button asks for more, and the focus goes from it to the first new row", () => {
  const made = drawn();
  const { more } = made.parts;
  made.panel.settle(hits("a"), "", false, true);
  equal([false, "More results"], [more.hidden, more.textContent]);
  more.focus();
  made.panel.settle(hits("a"), "", false, true);
  equal(more, made.root.activeElement);
  made.panel.settle(hits("a", "b"), "", false, true);
  equal(made.panel.answers.targets[1], made.root.activeElement);
  more.focus();
  made.panel.settle(hits("a", "b"), "");
  equal([made.panel.answers.targets[1], true], [made.root.activeElement, more.hidden]);
});

test("blanked rows are gone at once, and their place stays as high until others come", () => {
  for (const [fill, place] of [["open", "panel"], ["settle", "settled"]]) {
    const made = drawn();
    const part = made.parts[place];
    made.panel[fill](hits("a", "b"), "", true, true);
    const height = part.offsetHeight;
    made.panel.blank();
    equal([[[], []], height, true, undefined], [look(made).rows, part.offsetHeight, made.parts.weak.hidden, made.panel.active()]);
    made.panel[fill](hits("a"), "");
    equal("", part.style.minHeight);
  }
});
