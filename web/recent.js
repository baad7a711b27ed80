/**
 * Recent searches, for pages that ask for them. They stay in this browser's storage and are never sent.
 * @module
 */

const LONGEST = 200;

export class RecentSearches {
  #key;
  #most;

  /**
   * @param {string} name of the field; boxes with the same name share their searches
   * @param {number} most how many to keep; with 0 nothing is stored or read
   */
  constructor(name, most) {
    this.#key = `typeahead-recent:${name}`;
    this.#most = most;
  }

  /** Newest first. @returns {string[]} */
  get texts() {
    if (this.#most === 0) return [];
    try {
      const kept = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(kept) ? kept.filter((text) => typeof text === "string").slice(0, this.#most) : [];
    } catch {
      // There is no storage, or something else wrote to it.
      return [];
    }
  }

  /** @param {string} text */
  add(text) {
    const clean = text.trim();
    if (this.#most === 0 || clean === "" || clean.length > LONGEST) return;
    this.#keep([clean, ...this.texts.filter((other) => other !== clean)].slice(0, this.#most));
  }

  forget() {
    this.#keep([]);
  }

  /** @param {string[]} texts */
  #keep(texts) {
    try {
      if (texts.length > 0) localStorage.setItem(this.#key, JSON.stringify(texts));
      else localStorage.removeItem(this.#key);
    } catch {
      // Without storage nothing is kept.
    }
  }
}
