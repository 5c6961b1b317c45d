// Words that come up where the thumb is and go by themselves.
import { byId } from "./dom.js";

const LONG = 9000;
const SHORT = 4000;
const timers = new Map(); // by element

function show(element, sentence, time) {
  clearTimeout(timers.get(element));
  // A dialog covers everything that is not in it.
  if (sentence) (document.querySelector("dialog[open]") ?? document.body).append(byId("toasts"));
  element.textContent = sentence;
  element.hidden = !sentence;
  if (sentence && time) timers.set(element, setTimeout(() => show(element, ""), time));
}

/** @param {string} sentence what went wrong; "" takes away what was said before */
export const tellProblem = (sentence) => show(byId("problem"), sentence, LONG);

/**
 * @param {string} sentence
 * @param {boolean} [stays] until it is told otherwise
 */
export const tell = (sentence, stays = false) => show(byId("toast"), sentence, stays ? 0 : SHORT);
