// Words for how long ago something was.
import { language, say } from "./words.js";

/**
 * Says how long ago something was, shortly.
 * @param {number} then milliseconds since the epoch
 * @param {number} [now]
 * @returns {string}
 */
export function ago(then, now = Date.now()) {
  const words = new Intl.RelativeTimeFormat(language, { style: "short" });
  const minutes = Math.floor((now - then) / 60000);
  if (minutes < 1) return say("justNow");
  if (minutes < 60) return words.format(-minutes, "minute");
  if (minutes < 24 * 60) return words.format(-Math.floor(minutes / 60), "hour");
  return new Date(then).toLocaleDateString(language);
}
