// Connects a page that needs nothing of the connection but its events and its sign.
import { showConnection } from "./connection-sign.js";
import { Live } from "./live.js";

/**
 * Connects and stays connected.
 * @param {object} page
 * @param {HTMLElement} page.sign element that says how the page is connected
 * @param {(event: string, payload: any) => void|Promise<any>} page.onEvent called for each event, in order; where it reads
 *   something, what it returns rejects when the server can't be reached
 * @param {() => Promise<any>} page.onResync called when events may have been missed: reads everything anew, and rejects
 *   where the server can't be reached
 */
export function follow({ sign, onEvent, onResync }) {
  const live = new Live();
  live.addEventListener("event", ({ detail: { name, payload } }) => onEvent(name, payload)?.catch(() => live.unreachable()));
  live.addEventListener("gap", () => onResync().then(() => live.reached(), () => live.unreachable()));
  showConnection(sign, live);
  live.start();
}
