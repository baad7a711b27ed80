/**
 * The bearer token, if the server needs one. It is kept for this tab and forgotten when the tab is closed.
 * @module
 */

const KEY = "typeahead-token";

/**
 * This tab's token, if there is one.
 * @returns {string | null}
 */
export function keptToken() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** @param {string | null} token */
export function keepToken(token) {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // Without storage the page asks again on each load.
  }
}
