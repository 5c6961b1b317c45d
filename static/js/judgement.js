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

/**
 * What undoes a change: of an entry that somebody has judged again since, nothing.
 * @param {Record<string, string>} before the statuses that the entries had
 * @param {{id: string, status: string}[]} entries as they are now
 * @param {Record<string, string>} wanted the statuses that they were given
 * @returns {Record<string, string>}
 */
export function undoing(before, entries, wanted) {
  const now = new Map(entries.map(({ id, status }) => [id, status]));
  return Object.fromEntries(Object.entries(before).filter(([id]) => now.get(id) === wanted[id]));
}
