/**
 * What happens when the user chooses a result: the page hears of it first, then its link is followed, here or in a new
 * tab. A result without a link searches instead, as Enter does.
 * @module
 */

/** @typedef {import("./results.js").ResultList} ResultList */

/**
 * @param {import("./panel.js").Panel} panel
 * @param {import("./showing.js").Showing} showing
 * @param {import("./host.js").Host} host
 * @param {(keyAt: number) => void} search submits the text
 */
export function createChoice({ options }, showing, host, search) {
  /**
   * @param {EventTarget | null} target within the row
   * @param {ResultList} list
   * @param {boolean} newTab
   * @returns {{row: HTMLElement | undefined, follow: boolean} | null} whether to follow the link; null for no result
   */
  function select(target, list, newTab) {
    const hit = list.hitOf(target);
    if (hit === undefined) return null;
    const index = list.targets.findIndex((row) => row.contains(/** @type {Node} */ (target)));
    host.recent.add(showing.answer()?.text ?? "");
    return { row: list.targets[index], follow: host.emit("select", { hit, index, newTab }) };
  }

  return {
    /**
     * @param {MouseEvent} event
     * @param {ResultList} list
     */
    clicked(event, list) {
      const newTab = event.ctrlKey || event.metaKey;
      const chosen = select(event.target, list, newTab);
      if (chosen === null) return;
      if (!chosen.follow) event.preventDefault();
      else if (list === options && !(chosen.row instanceof HTMLAnchorElement)) search(event.timeStamp);
      if (!newTab) showing.close();
    },

    /**
     * Enter on the active option.
     * @param {HTMLElement} option
     * @param {KeyboardEvent} event
     */
    entered(option, event) {
      const chosen = event.ctrlKey || event.metaKey ? select(option, options, true) : null;
      // A real click, so that it takes the path of every click.
      if (chosen === null) option.click();
      else if (chosen.follow && option instanceof HTMLAnchorElement) window.open(option.href, "_blank", "noopener,noreferrer");
    },
  };
}
