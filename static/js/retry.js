// When to try again. Pure arithmetic, so that it is tested without a clock.
import { say } from "./words.js";

/** Longest wait between two tries, in milliseconds. */
export const LONGEST_WAIT = 30000;

/**
 * Time to wait before a try: 1, 2, 4, 8, 16, 30 s, each up to half shorter or longer, so that a room full of phones does
 * not come back in the same instant.
 * @param {number} attempt 0 for the first try after a failure
 * @param {number} [random] in [0, 1)
 * @returns {number} milliseconds, at most LONGEST_WAIT
 */
export function waitBefore(attempt, random = Math.random()) {
  const base = Math.min(1000 * 2 ** Math.min(attempt, 5), LONGEST_WAIT);
  return Math.round(Math.min(base * (0.5 + random), LONGEST_WAIT));
}

/** After this long the server may have forgotten a key, and sending again by itself could double the photo. */
export const KEY_LIFE = 23 * 3600 * 1000;

/**
 * Decides what becomes of a photo whose sending failed.
 * @param {number} status HTTP status, 0 where no answer came
 * @param {string} sentence the server's own words
 * @returns {{again: boolean, sentence: string, wait?: number}} again: by itself, after wait ms at least where given
 */
export function afterFailure(status, sentence) {
  switch (status) {
    case 0:
      return { again: true, sentence: say("noConnection") };
    case 413:
      return { again: false, sentence: say("error-photoTooLarge") };
    case 415:
      return { again: false, sentence: sentence || say("notAPicture") };
    case 408: case 425:
      return { again: true, sentence: say("slow") };
    case 429:
      return { again: true, wait: 3000, sentence: say("manyAtOnce") };
    case 507:
      return { again: true, wait: 20000, sentence: say("noRoom") };
    default:
      if (status >= 500) return { again: true, sentence: say("busy") };
      return { again: false, sentence: sentence || say("serverDidNotTake") };
  }
}
