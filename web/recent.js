/**
 * Recent searches, for pages that ask for them: kept in this browser's storage alone, and never sent anywhere.
 * @module
 */

const LONGEST = 200;

export class RecentSearches {
  #key;
  #most;

  /**
   * @param {string} name of the field: boxes of one name share their searches
   * @param {number} most how many are kept; 0: none, and nothing is read
   */
  constructor(name, most) {
    this.#key = `typeahead-recent:${name}`;
    this.#most = most;
  }

  /** The newest first. @returns {string[]} */
  get texts() {
    if (this.#most === 0) return [];
    try {
      const kept = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(kept) ? kept.filter((text) => typeof text === "string").slice(0, this.#most) : [];
    } catch {
      // No storage, or something else wrote there.
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
      // A browser that allows pages no storage keeps none.
    }
  }
}
