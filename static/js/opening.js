// When photos are taken, in words. No page elements here.
import { number, say } from "./words.js";

/** @typedef {{opens: number, closes: number}} Times milliseconds since 1970, 0 for no bound */

/**
 * Whether photos are taken at a moment.
 * @param {Times} times
 * @param {number} now milliseconds since 1970
 */
export const isOpen = ({ opens, closes }, now) => !(opens && now < opens) && !(closes && now >= closes);

/**
 * What a guest has to know of the times, "" where that is nothing.
 * @param {Times} times
 * @param {number} now milliseconds since 1970
 */
export function timesInWords({ opens, closes }, now) {
  if (opens && now < opens) return say("takenIn", { span: spanInWords(opens - now) });
  if (!closes) return "";
  return now < closes ? say("takenFor", { span: spanInWords(closes - now) }) : say("closedNow");
}

/** @param {number} span milliseconds, rounded up to a second so that the last one is told */
export function spanInWords(span) {
  const seconds = Math.ceil(span / 1000);
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  const two = (n) => number(n, { minimumIntegerDigits: 2 });
  if (days > 1) return number(days, { style: "unit", unit: "day", unitDisplay: "long" });
  return hours ? `${number(hours)}:${two(minutes % 60)}:${two(seconds % 60)}` : `${number(minutes)}:${two(seconds % 60)}`;
}
