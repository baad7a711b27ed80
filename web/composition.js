/**
 * What an input method is composing, and whether to search for it already. Kana, Hangul and most other scripts mean
 * what they say while they grow; so does the Latin that Android's keyboards compose. The Latin letters of a romanising
 * method (pinyin, romaji) are only the way to others, and so is a dead key's accent.
 * @module
 */

const LETTER = /\p{L}/u;
const BOPOMOFO = /\p{Script=Bopomofo}/u;
const LATIN = /\p{Script=Latin}/u;
const NOT_LATIN = /[^\p{Script=Latin}\p{M}\p{N}\p{P}\p{S}\s]/u;
const CHINESE_OR_JAPANESE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

export class Composition {
  /** Whether Latin letters become others here: a guess, until a composition has ended. */
  #romanises;
  #text = "";
  #hadLatin = false;
  #active = false;

  /** @param {string} language of the person, as a BCP 47 tag */
  constructor(language = globalThis.navigator?.language ?? "") {
    this.#romanises = /^(zh|ja)\b/i.test(language);
  }

  get active() {
    return this.#active;
  }

  /** @param {string} text all that is being composed */
  update(text) {
    if (!this.#active) this.#hadLatin = false;
    this.#active = true;
    this.#text = text;
    this.#hadLatin ||= LATIN.test(text) && !NOT_LATIN.test(text);
  }

  /** @param {string} text what came of it; empty where it was given up */
  end(text) {
    if (this.#hadLatin && text !== "") this.#romanises = CHINESE_OR_JAPANESE.test(text);
    this.#active = false;
  }

  /** Whether what stands in the field says something. */
  get searchable() {
    const text = this.#text;
    if (!this.#active || text === "") return true;
    return LETTER.test(text) && !BOPOMOFO.test(text) && !(this.#romanises && LATIN.test(text) && !NOT_LATIN.test(text));
  }
}
