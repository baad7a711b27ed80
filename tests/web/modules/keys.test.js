import { commandOf } from "../keys.js";
import { equal, test } from "./harness.js";

/** The command of a key. */
function command(key, more = {}, { open = true, empty = false } = {}) {
  return commandOf({ key, keyCode: 0, isComposing: false, altKey: false, shiftKey: false, repeat: false, ...more }, open, empty);
}

test("arrows walk through the options", () => {
  equal(["next", "previous"], [command("ArrowDown"), command("ArrowUp")]);
});

test("Alt and the arrows open and close", () => {
  equal(["open", "close"], [command("ArrowDown", { altKey: true }), command("ArrowUp", { altKey: true })]);
});

test("Shift and the arrows select text, as everywhere", () => {
  equal([null, null], [command("ArrowDown", { shiftKey: true }), command("ArrowUp", { shiftKey: true, altKey: true })]);
});

test("Enter enters once, however long it is held", () => {
  equal(["enter", "nothing"], [command("Enter"), command("Enter", { repeat: true })]);
});

test("Escape closes, then clears, then belongs to the page", () => {
  equal(["close", "close", "clear", null], [
    command("Escape"), command("Escape", {}, { open: true, empty: true }),
    command("Escape", {}, { open: false }), command("Escape", {}, { open: false, empty: true }),
  ]);
});

test("every other key belongs to the browser", () => {
  equal(Array(6).fill(null), ["a", "Home", "End", "Tab", "ArrowLeft", "PageDown"].map((key) => command(key)));
});

test("while an input method composes, every key is its own", () => {
  for (const key of ["ArrowDown", "ArrowUp", "Enter", "Escape"]) {
    equal([null, null], [command(key, { isComposing: true }), command(key, { keyCode: 229 })]);
  }
});
