import { RecentSearches } from "../recent.js";
import { equal, test } from "./harness.js";

const KEY = "typeahead-recent:test";

/** @param {number} most */
function fresh(most) {
  localStorage.removeItem(KEY);
  return new RecentSearches("test", most);
}

test("the newest come first, each once, and no more than are wanted", () => {
  const recent = fresh(3);
  for (const text of ["a", "b", " c ", "a", "d"]) recent.add(text);
  equal(["d", "a", "c"], recent.texts);
  equal(["d", "a", "c"], new RecentSearches("test", 3).texts);
  recent.forget();
  equal([[], null], [recent.texts, localStorage.getItem(KEY)]);
});

test("boxes of another name do not see them", () => {
  fresh(3).add("a");
  equal([], new RecentSearches("other", 3).texts);
});

test("nothing is kept where nothing was asked for", () => {
  fresh(0).add("a");
  equal([[], null], [new RecentSearches("test", 0).texts, localStorage.getItem(KEY)]);
});

test("neither blanks nor whole documents are kept", () => {
  const recent = fresh(3);
  recent.add("   ");
  recent.add("x".repeat(201));
  equal([], recent.texts);
});

test("what something else wrote there is no reason to fail", () => {
  for (const kept of ["{", "3", "null", "[1, {}]"]) {
    const recent = fresh(3);
    localStorage.setItem(KEY, kept);
    equal([], recent.texts);
    recent.add("a");
    equal(["a"], recent.texts);
  }
  localStorage.removeItem(KEY);
});
