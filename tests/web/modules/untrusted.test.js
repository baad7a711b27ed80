import { oneLine, readableAddress, safeLink } from "../untrusted.js";
import { equal, test } from "./harness.js";

test("only absolute http and https addresses are links", () => {
  equal("https://docs.python.org/3/", safeLink("https://docs.python.org/3/"));
  equal("http://127.0.0.1:8000/a", safeLink("HTTP://127.0.0.1:8000/a"));
  for (const address of [
    "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,<script>alert(1)</script>",
    "vbscript:x", "file:///etc/passwd", "blob:https://a/b", "//evil.example/", "/notes/egg.md", "notes/egg.md", "", "https://",
    `https://a.example/${"x".repeat(5000)}`,
  ]) {
    equal([address, null], [address, safeLink(address)]);
  }
});

test("a user name cannot pass for the host", () => {
  equal("https://evil.example/x", safeLink("https://docs.python.org@evil.example/x"));
  equal("evil.example/x", readableAddress("https://docs.python.org@evil.example/x"));
});

test("a look-alike host is shown as what it is", () => {
  equal(true, readableAddress("https://p\u0443thon.org/").startsWith("xn--"));
});

test("an address that is no link is shown as text", () => {
  equal("notes/egg.md", readableAddress("notes/egg.md"));
});

test("a text becomes one line without controls and bidi overrides", () => {
  equal("a b c d", oneLine("a\n\tb\u0000c\u202ed", 80));
  equal("left\u200eto right", oneLine("left\u200eto right", 80));
});

test("a long text ends in an ellipsis, within the limit, with no pair cut in half", () => {
  equal("ab…", oneLine("abcd", 3));
  equal("🥚🥚…", oneLine("🥚🥚🥚🥚", 3));
  equal("🥚🥚🥚", oneLine("🥚🥚🥚", 3));
  equal(10, [...oneLine("<script>".repeat(200_000), 10)].length);
});
