// Words for how long ago something was.

/**
 * Says how long ago something was, shortly.
 * @param {number} then milliseconds since the epoch
 * @param {number} [now]
 * @returns {string}
 */
export function ago(then, now = Date.now()) {
  const minutes = Math.floor((now - then) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return new Date(then).toLocaleDateString();
}
