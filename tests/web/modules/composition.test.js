import { Composition } from "../composition.js";
import { equal, test } from "./harness.js";

/** Whether a person with this language who composes these texts one after the other is searched for each. */
function searched(language, ...texts) {
  const composition = new Composition(language);
  return texts.map((text) => {
    composition.update(text);
    return composition.searchable;
  });
}

test("what Android's keyboards compose in Latin is searched as it grows", () => {
  equal([true, true, true], searched("en-GB", "h", "he", "he's"));
});

test("kana, Hangul, Han and Thai are searched as they grow", () => {
  for (const language of ["en", "ja-JP", "zh-CN"]) equal([true, true, true, true, true], searched(language, "と", "とう", "한", "日月", "ส"));
});

test("kana with the beginning of another is searched", () => {
  equal([true], searched("ja", "とうk"));
});

test("the letters of a romanising method wait for what they become", () => {
  equal([false, false, false], searched("zh-Hans-CN", "n", "ni", "ni'hao"));
  equal([false, true], searched("ja", "t", "と"));
  equal([false, false], searched("en", "ㄋ", "ㄋㄧ"));
});

test("a dead key's accent waits for its letter", () => {
  equal([false, true], searched("en", "´", "é"));
});

test("a composition that is taken back whole leaves a text to search", () => {
  equal([true], searched("zh", ""));
});

test("which way Latin goes is learned from where it went", () => {
  const composition = new Composition("en");
  composition.update("ni hao");
  equal(true, composition.searchable);
  composition.end("你好");
  equal([true, false], [composition.searchable, composition.active]);
  composition.update("shi");
  equal(false, composition.searchable);
  composition.end("json");
  composition.update("str");
  equal(true, composition.searchable);
});

test("a composition that was given up teaches nothing", () => {
  const composition = new Composition("zh");
  composition.update("ni");
  composition.end("");
  composition.update("ni");
  equal(false, composition.searchable);
});
