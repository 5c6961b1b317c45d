// Going on with the presentation: by a presenter's link, or by who is signed in as an admin.
import { request } from "./api.js";

/** The key of the presenter's link, where the page was opened by it. It stands behind the # so that it is in no request. */
export const presenterKey = () => location.hash.slice(1);

/** @returns {Record<string, string>} headers of a presenter's requests */
const headers = () => (presenterKey() ? { "Podium-Presenter": presenterKey() } : {});

/**
 * @typedef {{id: string, state: string, turn: number, turns: number, now: {category: string, place: number}|null,
 *   next: {category: string, place: number}|null}} Cue which place comes next, and not whose it is
 */

/** @returns {Promise<Cue|null>} null where there is no presentation */
export const readCue = async () => (await request("/api/reveal/cue", { headers: headers() })).cue;

/**
 * Goes on, or back.
 * @param {"next"|"back"} way
 * @param {number} turn the turn that was seen: who presses at the same time as somebody else moves nothing
 * @returns {Promise<Cue>}
 */
export const press = async (way, turn) => (await request(`/api/reveal/${way}`, { method: "POST", body: { turn }, headers: headers() })).cue;

/** What the keys of keyboards and of clickers mean. */
const KEYS = { ArrowRight: "next", ArrowDown: "next", PageDown: "next", " ": "next", Enter: "next", ArrowLeft: "back", ArrowUp: "back", PageUp: "back" };

/** Listens to keys on the big screen. Where nobody is signed in and the page has no link's key, they do nothing. */
export function onKeys() {
  let busy = false;
  addEventListener("keydown", async (event) => {
    const way = KEYS[event.key];
    if (!way || busy || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    busy = true;
    try {
      const cue = await readCue();
      if (cue) await press(way, cue.turn);
    } catch {
      // Not allowed, somebody else was faster, or the server can't be reached: the screen shows how it is.
    } finally {
      busy = false;
    }
  });
}
