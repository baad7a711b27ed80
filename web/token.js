/**
 * The bearer token that a server may ask for, kept for this tab only: closing it forgets the token.
 * @module
 */

const KEY = "typeahead-token";

/**
 * The token of this tab, if it has one.
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
    // A browser that allows pages no storage asks again with each load.
  }
}
