/**
 * What an input method is composing, and whether it is worth searching for yet. Unfinished kana, Hangul and most other
 * scripts already mean something, and so does the Latin that Android keyboards compose. The Latin letters of a
 * romanising method (pinyin, romaji) only lead to other characters, as does the accent of a dead key.
 * @module
 */

const LETTER = /\p{L}/u;
const BOPOMOFO = /\p{Script=Bopomofo}/u;
const LATIN = /\p{Script=Latin}/u;
const NOT_LATIN = /[^\p{Script=Latin}\p{M}\p{N}\p{P}\p{S}\s]/u;
const CHINESE_OR_JAPANESE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

export class Composition {
  /** Whether Latin letters turn into other characters: a guess until the first composition ends. */
  #romanises;
  #text = "";
  #hadLatin = false;
  #active = false;

  /** @param {string} language the user's, as a BCP 47 tag */
  constructor(language = globalThis.navigator?.language ?? "") {
    this.#romanises = /^(zh|ja)\b/i.test(language);
  }

  get active() {
    return this.#active;
  }

  /** @param {string} text everything composed so far */
  update(text) {
    if (!this.#active) this.#hadLatin = false;
    this.#active = true;
    this.#text = text;
    this.#hadLatin ||= LATIN.test(text) && !NOT_LATIN.test(text);
  }

  /** @param {string} text the result; empty if the user cancelled */
  end(text) {
    if (this.#hadLatin && text !== "") this.#romanises = CHINESE_OR_JAPANESE.test(text);
    this.#active = false;
  }

  /** Whether the text in the field is worth searching for. */
  get searchable() {
    const text = this.#text;
    if (!this.#active || text === "") return true;
    return LETTER.test(text) && !BOPOMOFO.test(text) && !(this.#romanises && LATIN.test(text) && !NOT_LATIN.test(text));
  }
}
