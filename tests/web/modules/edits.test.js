import { applyEdit, difference, longerThan, wellFormed } from "../edits.js";
import { chance, equal, test } from "./harness.js";

test("a typed letter is an insertion at its place", () => {
  equal({ at: 5, del: 0, ins: "o" }, difference("how t", "how to"));
});

test("positions count code points, not UTF-16 units", () => {
  equal({ at: 2, del: 0, ins: "x" }, difference("🥚🍳", "🥚🍳x"));
  equal({ at: 1, del: 1, ins: "" }, difference("a🥚b", "ab"));
});

test("emoji that share half of their surrogates are replaced whole", () => {
  equal({ at: 0, del: 1, ins: "😁" }, difference("😀", "😁"));
});

test("equal texts differ by nothing", () => {
  equal({ at: 3, del: 0, ins: "" }, difference("abc", "abc"));
});

test("repeated letters do not make prefix and suffix overlap", () => {
  equal({ at: 2, del: 0, ins: "a" }, difference("aa", "aaa"));
  equal({ at: 1, del: 2, ins: "" }, difference("aaa", "a"));
});

test("the edit turns the old text into the new one, in any alphabet", () => {
  const random = chance(7);
  const alphabet = ["a", "b", " ", "é", "e\u0301", "한", "ᄒ", "字", "🥚", "👩‍🍳", "\u202e"];
  const text = () => Array.from({ length: Math.floor(random() * 9) }, () => alphabet[Math.floor(random() * alphabet.length)]).join("");
  for (let i = 0; i < 3000; i += 1) {
    const [before, after] = [text(), text()];
    equal(after, applyEdit(before, difference(before, after)));
  }
});

test("half of a surrogate pair becomes U+FFFD, and a whole pair stays", () => {
  equal("a\uFFFDb🥚", wellFormed("a\ud83eb🥚"));
  equal("\uFFFD\uFFFD", wellFormed("\udd5a\ud83e"));
});

test("the limit counts code points", () => {
  equal([false, true, true], [longerThan("🥚🥚", 2), longerThan("🥚🥚a", 2), longerThan("x".repeat(1e6), 2)]);
});
