// The page's words, in the language that it is served in.

let messages = read();
/** BCP 47 tag of the page's language. */
export let language = globalThis.document?.documentElement?.lang || "en";

function read() {
  return JSON.parse(globalThis.document?.getElementById?.("messages")?.textContent || "{}");
}

/**
 * Takes other messages, where no page holds them.
 * @param {Record<string, string|Record<string, string>>} others
 */
export function speak(others) { messages = others; }

/** @param {string} key @returns {boolean} whether there is such a message */
export const has = (key) => key in messages;

/**
 * Says a message.
 * @param {string} key of a message in static/lang
 * @param {Record<string, string|number>} [values] what stands in the place of {name}; a number n chooses the plural
 * @returns {string}
 */
export function say(key, values = {}) {
  let text = messages[key] ?? key;
  if (typeof text !== "string") text = text[new Intl.PluralRules(language).select(values.n)] ?? text.other;
  return text.replace(/\{([a-z]+)\}/g, (whole, name) => (typeof values[name] === "number" ? number(values[name]) : values[name] ?? whole));
}

/**
 * @param {number} value
 * @param {Intl.NumberFormatOptions} [options]
 * @returns {string} as people write it
 */
export const number = (value, options) => new Intl.NumberFormat(language, options).format(value);
