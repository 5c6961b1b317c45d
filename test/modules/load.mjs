// Loads a module of the pages as one, whatever Node makes of its name, with what a browser has and Node has not.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const folder = new URL("../../static/js/", import.meta.url);
const made = new Map();

/**
 * @param {string} name of a file in static/js
 * @returns {Promise<string>} an address that import() takes
 */
export async function addressOf(name) {
  if (!made.has(name)) {
    let text = await readFile(fileURLToPath(new URL(name, folder)), "utf8");
    for (const [whole, other] of [...text.matchAll(/from "(?:\.\/|\/js\/)([a-z-]+\.js)"/g)]) {
      text = text.replace(whole, `from "${await addressOf(other)}"`);
    }
    made.set(name, "data:text/javascript;base64," + Buffer.from(text).toString("base64"));
  }
  return made.get(name);
}

/**
 * @param {string} name of a file in static/js
 * @returns {Promise<any>} what it exports
 */
export const load = async (name) => import(await addressOf(name));

// What a page would hold.
const english = await readFile(fileURLToPath(new URL("../lang/en.json", folder)), "utf8");
(await load("words.js")).speak(JSON.parse(english));
