// What is sent to the server when photos are judged. No page elements here.

/** How many statuses one request may hold. */
export const MOST = 500;

/**
 * Cuts statuses into requests.
 * @param {Record<string, string>} statuses by id
 * @returns {Record<string, string>[]}
 */
export function inPortions(statuses) {
  const all = Object.entries(statuses);
  return Array.from({ length: Math.ceil(all.length / MOST) }, (_, at) => Object.fromEntries(all.slice(at * MOST, (at + 1) * MOST)));
}
