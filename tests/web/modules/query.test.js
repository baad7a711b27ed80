import { Query } from "../query.js";
import { equal, test } from "./harness.js";
import { start } from "./world.js";

/** A query, and the events that it emitted. */
function query(maxChars = 512) {
  const seen = [];
  return { query: new Query(maxChars, (event, detail) => seen.push([event, detail])), seen };
}

test("an empty query needs no answer, a text does, and an Enter on it", () => {
  const { query: asked } = query();
  equal(false, asked.open);
  asked.type("egg", 1);
  equal(true, asked.open);
  asked.answer({ hits: [] }, { text: "egg", keyAt: 1, edit: false, submit: false });
  equal(false, asked.open);
  asked.submitAt = 2;
  equal(true, asked.open);
});

test("the same text again changes nothing", () => {
  const { query: asked } = query();
  equal([true, false], [asked.type("egg", 1), asked.type("egg", 2)]);
  equal(1, asked.keyAt);
});

test("typing takes an Enter back", () => {
  const { query: asked } = query();
  asked.type("egg", 1);
  asked.submitAt = 2;
  asked.type("eggs", 3);
  equal([null, 3], [asked.submitAt, asked.keyAt]);
});

test("a lone surrogate becomes U+FFFD", () => {
  const { query: asked } = query();
  asked.type("egg \ud83e", 1);
  equal("egg \uFFFD", asked.text);
});

test("a refused text is reported and needs no answer, until it changes", () => {
  const { query: asked, seen } = query();
  asked.type("egg", 1);
  asked.submitAt = 2;
  asked.refuse({ code: "internal", message: "no" });
  equal([false, null, [["problem", { code: "internal", message: "no" }]]], [asked.open, asked.submitAt, seen]);
  asked.type("eggs", 3);
  equal(true, asked.open);
});

test("a problem without code or words is still one", () => {
  const { query: asked, seen } = query();
  asked.report({});
  equal([["problem", { code: "error", message: "" }]], seen);
});

test("a text is too long beyond the limit in code points", () => {
  const { query: asked, seen } = query(4);
  asked.type("🥚🥚🥚🥚", 1);
  equal(false, asked.tooLong());
  asked.type("🥚🥚🥚🥚🥚", 2);
  equal(true, asked.tooLong());
  equal([["problem", { code: "text_too_long", message: "Too long: at most 4 characters." }]], seen);
});

test("a lone surrogate never reaches the wire", () => {
  const { world, client } = start();
  client.update("egg \ud83e");
  equal([{ seq: 1, text: "egg \uFFFD" }], world.sent);
});

test("new typing takes back an Enter that was not sent", () => {
  const { world, client } = start({ open: false });
  client.update("a");
  client.submit();
  client.update("ab");
  world.open();
  equal([{ seq: 1, text: "ab" }], world.sent);
});

test("a text beyond the limit that the server told is not sent; the session lives on", () => {
  const { world, client, seen } = start();
  world.say({ hello: { max_chars: 4 } });
  client.update("🥚🥚🥚🥚");
  client.update("🥚🥚🥚🥚🥚");
  client.submit();
  equal([["text_too_long", "text_too_long"], 1], [seen.problems, world.sent.length]);
  world.say({ seq: 1, hits: [] });
  equal(false, client.busy);
  client.update("🥚");
  equal([{ seq: 1, text: "🥚🥚🥚🥚" }, { seq: 2, text: "🥚" }], world.sent);
});
