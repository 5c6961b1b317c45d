// When to try again. Pure arithmetic, so that it is tested without a clock.

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
      return { again: true, sentence: "No connection. It is kept here and sent as soon as there is one." };
    case 413:
      return { again: false, sentence: "The server finds this photo too large." };
    case 415:
      return { again: false, sentence: sentence || "The server can't read this kind of picture. Please choose another." };
    case 408: case 425:
      return { again: true, sentence: "That took too long. Trying again." };
    case 429:
      return { again: true, wait: 3000, sentence: "Many photos are arriving at once. Yours is next in a moment." };
    case 507:
      return { again: true, wait: 20000, sentence: "The server has no room left just now. Your photo is kept here and sent again." };
    default:
      if (status >= 500) return { again: true, sentence: "The server is busy. Trying again." };
      return { again: false, sentence: sentence || "The server did not take this photo." };
  }
}
