/**
 * Which answer is shown, where, and when it may change: nothing opens the panel unless the user asked for it, and rows
 * stay as they are while the user points at them. `panel.js` draws them.
 * @module
 */

/** @typedef {import("./types.js").Answer} Answer */
/** @typedef {ReturnType<typeof createShowing>} Showing */

/**
 * @typedef {object} Listener
 * @property {(text: string) => string} nothing what to say if nothing was found for this text
 * @property {(answer: Answer) => void} accepted a new answer counts, since the rows may change
 * @property {(answer: Answer) => void} drawn an answer was drawn
 */

/**
 * @param {import("./panel.js").Panel} panel
 * @param {Listener} on
 */
export function createShowing(panel, { nothing, accepted, drawn }) {
  /** The newest answer on the page. @type {Answer | null} */
  let shown = null;
  /** A newer answer that waits while the user points at the rows. @type {Answer | null} */
  let held = null;
  /** Answers open the panel only after typing, or a key that asks for it. */
  let mayOpen = false;
  let pointing = false;
  /** The submitted text whose results are settled in the page; null if there is none. @type {string | null} */
  let settled = null;

  /** @param {typeof panel.open} draw @param {Answer} answer */
  function fill(draw, { hits, more, text, weak }) {
    draw(hits, hits.length > 0 ? "" : nothing(text), weak, more);
  }

  /** @param {Answer} answer */
  function present(answer) {
    shown = answer;
    if (settled === answer.text) fill(panel.settle, answer);
    else if (mayOpen) fill(panel.open, answer);
    else return;
    drawn(answer);
  }

  /** @param {Answer} answer */
  function accept(answer) {
    held = null;
    present(answer);
    accepted(answer);
  }

  /** The rows may change again. */
  function release() {
    pointing = false;
    if (held !== null && panel.active() === undefined) accept(held);
  }

  /** No answer opens the panel until the user types again. */
  function close() {
    mayOpen = false;
    panel.close();
    release();
  }

  return {
    close,
    release,
    /** The newest answer on the page. */
    answer: () => shown,

    /** The user points at the rows. */
    freeze() {
      pointing = true;
    },

    /** A new answer has come. The next page has been asked for, and changes no row. @param {Answer} answer */
    receive(answer) {
      if (answer.offset > 0) accept(answer);
      else if (pointing || panel.active() !== undefined) held = answer;
      else accept(answer);
    },

    /** Show the answer that waits. @returns {boolean} false if none does */
    catchUp() {
      if (held === null) return false;
      panel.activate();
      accept(held);
      return true;
    },

    /**
     * Another filter holds: what was found without it must not stand any longer.
     * @param {boolean} byUser whether the user chose it, and so wants to see what it finds
     */
    refilter(byUser) {
      shown = null;
      held = null;
      panel.blank();
      if (byUser && settled === null) mayOpen = true;
    },

    /** Nothing is searched. @param {string} words why */
    bar(words) {
      this.refilter(false);
      if (settled !== null) panel.settle([], words);
      else if (mayOpen) panel.sayAway(words, false);
    },

    /** The user typed: the coming answers may open the panel, and no longer belong to the page. */
    typed() {
      panel.activate();
      release();
      mayOpen = true;
      settled = null;
    },

    /** Show the newest answer again. @returns {boolean} false if there is none */
    reopen() {
      mayOpen = true;
      if (shown !== null) present(shown);
      return shown !== null;
    },

    /** Show the results of this text in the page, now and when newer ones come. @param {string | null} text */
    settle(text) {
      settled = text;
      if (shown !== null) fill(panel.settle, shown);
    },

    /** If there are no results to look at, say why none come. @param {string} words empty to take that back */
    sayAway(words) {
      if (words === "" || (shown === null && mayOpen)) panel.sayAway(words, shown !== null);
    },

    /** Nothing is typed: forget all answers. */
    reset() {
      close();
      shown = null;
      held = null;
      settled = null;
      panel.reset();
    },
  };
}
