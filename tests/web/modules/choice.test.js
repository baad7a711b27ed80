import { createChoice } from "../choice.js";
import { ResultList } from "../results.js";
import { equal, test } from "./harness.js";

/** Options and answers with the same hits, of which the second has no link, and what came of choosing. */
function desk({ prevented = false } = {}) {
  const hits = ["https://a.example/", ""].map((url, at) => (
    { id: `${at}`, score: 1, title: `hit ${at}`, text: "", url, marks: { title: [], text: [] } }
  ));
  const lists = [true, false].map((options) => {
    const list = new ResultList(document.createElement("ul"), { template: () => null, options });
    list.show(hits);
    return list;
  });
  const made = { options: lists[0], answers: lists[1], heard: [] };
  const hear = (...what) => made.heard.push(what.join(" "));
  const host = {
    recent: { add: (text) => hear("recent", text) },
    emit(name, { hit, index, newTab }) {
      hear(name, hit.id, index, newTab);
      return !prevented;
    },
  };
  const showing = { answer: () => ({ text: "egg" }), close: () => hear("close") };
  made.choice = createChoice({ options: made.options }, showing, host, (keyAt) => hear("search", keyAt));
  return made;
}

/** A click on something, and whether it was prevented. */
function click(made, list, target, more = {}) {
  const event = { target, ctrlKey: false, metaKey: false, timeStamp: 7, prevented: false, preventDefault() { this.prevented = true; }, ...more };
  made.choice.clicked(event, list);
  return event.prevented;
}

test("a click tells the page, remembers the search, and leaves the link to the browser", () => {
  const made = desk();
  equal(false, click(made, made.options, made.options.targets[0].firstElementChild));
  equal(["recent egg", "select 0 0 false", "close"], made.heard);
});

test("a page may keep the browser from following the link", () => {
  const made = desk({ prevented: true });
  equal(true, click(made, made.options, made.options.targets[0]));
  equal(["recent egg", "select 0 0 false", "close"], made.heard);
});

test("with Ctrl or Cmd the link goes to a new tab and the panel stays", () => {
  for (const more of [{ ctrlKey: true }, { metaKey: true }]) {
    const made = desk();
    click(made, made.options, made.options.targets[0], more);
    equal(["recent egg", "select 0 0 true"], made.heard);
  }
});

test("an option without a link searches, unless the page prevents it; a settled result does not", () => {
  const made = desk();
  click(made, made.options, made.options.targets[1]);
  equal(["recent egg", "select 1 1 false", "search 7", "close"], made.heard);
  const kept = desk({ prevented: true });
  click(kept, kept.options, kept.options.targets[1]);
  equal(["recent egg", "select 1 1 false", "close"], kept.heard);
  const settled = desk();
  click(settled, settled.answers, settled.answers.targets[1]);
  equal(["recent egg", "select 1 1 false", "close"], settled.heard);
});

test("a click beside the results chooses nothing", () => {
  const made = desk();
  equal([false, []], [click(made, made.options, document.body), made.heard]);
});

test("Enter clicks the active option", () => {
  const made = desk();
  const option = made.options.targets[1];
  option.addEventListener("click", () => made.heard.push("click"));
  made.choice.entered(option, { ctrlKey: false, metaKey: false });
  equal(["click"], made.heard);
});

test("Ctrl+Enter opens its link in a new tab, and does nothing without one", () => {
  const { open } = window;
  const made = desk();
  window.open = (...what) => made.heard.push(what.join(" "));
  try {
    made.choice.entered(made.options.targets[0], { ctrlKey: true, metaKey: false });
    made.choice.entered(made.options.targets[1], { ctrlKey: true, metaKey: false });
  } finally {
    window.open = open;
  }
  equal([
    "recent egg", "select 0 0 true", "https://a.example/ _blank noopener,noreferrer", "recent egg", "select 1 1 true",
  ], made.heard);
});

test("Ctrl+Enter on a recent search clicks it", () => {
  const made = desk();
  const recent = document.createElement("div");
  recent.addEventListener("click", () => made.heard.push("click"));
  made.choice.entered(recent, { ctrlKey: true, metaKey: false });
  equal(["click"], made.heard);
});
