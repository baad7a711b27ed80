/**
 * Which key does what in the search box, by the ARIA combobox pattern. `combobox.js` carries it out.
 * @module
 */

/** @typedef {"next" | "previous" | "open" | "close" | "clear" | "enter" | "nothing"} Command */

/**
 * The command of a key press; null if the key belongs to the browser or the input method.
 * @param {Pick<KeyboardEvent, "key" | "keyCode" | "isComposing" | "altKey" | "shiftKey" | "repeat">} event
 * @param {boolean} isOpen whether the panel is open
 * @param {boolean} isEmpty whether the field is
 * @returns {Command | null}
 */
export function commandOf({ key, keyCode, isComposing, altKey, shiftKey, repeat }, isOpen, isEmpty) {
  // While an input method composes, every key is its own: Enter takes a candidate. WebKit reports the Enter that ends
  // a composition after its end, and marks it by the code 229 alone.
  if (isComposing || keyCode === 229) return null;
  if (key === "ArrowDown" && !shiftKey) return altKey ? "open" : "next";
  if (key === "ArrowUp" && !shiftKey) return altKey ? "close" : "previous";
  if (key === "Enter") return repeat ? "nothing" : "enter";
  if (key !== "Escape") return null;
  if (isOpen) return "close";
  return isEmpty ? null : "clear";
}
