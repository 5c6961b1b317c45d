// When photos are taken, in words. No page elements here.

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
  if (opens && now < opens) return `Photos are taken in ${spanInWords(opens - now)}`;
  if (!closes) return "";
  return now < closes ? `Photos are taken for another ${spanInWords(closes - now)}` : "Submissions have closed";
}

/** @param {number} span milliseconds, rounded up to a second so that the last one is told */
export function spanInWords(span) {
  const seconds = Math.ceil(span / 1000);
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600), Math.floor(seconds / 60)];
  const two = (n) => String(n).padStart(2, "0");
  if (days > 1) return `${days} days`;
  return hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
