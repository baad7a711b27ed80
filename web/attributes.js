/**
 * What attributes and properties say, as plain pages and frameworks write them. React 18 and Vue turn `false` into a
 * text, where an attribute that is only there would mean the opposite.
 * @module
 */

const OFF = ["off", "false", "0"];
/** Attributes that switch something on or off. */
const SWITCHES = ["recent", "hotkeys", "http", "events"];

/** Whether a value switches a thing off. @param {string | null} value of an attribute */
export function isOff(value) {
  return value !== null && OFF.includes(value.trim().toLowerCase());
}

/**
 * The attribute that a property becomes; null for none.
 * @param {string} name of the attribute
 * @param {unknown} value of the property
 * @returns {string | null}
 */
export function attributeOf(name, value) {
  const isSwitch = SWITCHES.includes(name);
  if (value === null || value === undefined) return null;
  if (value === false) return isSwitch ? "off" : null;
  return value === true && isSwitch ? "" : String(value);
}
