// What this phone has sent before and is still there: the server knows by the phone's secret.
import { oneAtATime, request } from "./api.js";
import { make } from "./dom.js";
import { guestSecret, hasSecret } from "./guest.js";
import { placeName } from "./reveal.js";
import { share } from "./share.js";
import { shot } from "./shot.js";
import { tell, tellProblem } from "./toast.js";
import { say } from "./words.js";

/** @typedef {import("./photo-set.js").Photo & {status: "approved"|"waiting"|"hidden", place?: number}} Sent */

const headers = () => ({ "Podium-Guest": guestSecret() });

/**
 * Words for what became of a photo.
 * @param {Sent} photo
 * @param {number} [place] that it won
 * @returns {string}
 */
export function fateOf({ status }, place) {
  if (status === "waiting") return say("savedWaiting");
  if (status === "hidden") return say("notShown");
  if (place === 1) return say("youWon");
  return place ? say("yours", { place: placeName(place) }) : say("onTheWall");
}

/** The list of them, folded away unless one has won. */
export class MyPhotos {
  /**
   * @param {HTMLDetailsElement} fold with a summary and a list
   * @param {() => void} changed called when the photos were read, and when the list looks otherwise
   */
  constructor(fold, changed) {
    this.fold = fold;
    this.summary = fold.querySelector("summary");
    this.list = fold.querySelector("ul");
    this.changed = changed;
    /** @type {Sent[]} */
    this.photos = [];
    this.except = new Set();
    this.places = new Map();
    this.shown = "";
    this.read = oneAtATime(async () => {
      if (!hasSecret()) return;
      this.photos = (await request("/api/mine", { headers: headers() })).photos;
      this.draw();
      this.changed(); // also where the list looks as before: what it leaves out may have been hidden
    });
  }

  /** @param {Iterable<string>} ids of photos that the page shows as sent just now */
  leaveOut(ids) {
    this.except = new Set(ids);
    this.draw();
  }

  /** @param {Map<string, number>} places by id, as far as they were told */
  setPlaces(places) {
    this.places = places;
    this.draw();
  }

  draw() {
    const photos = this.photos.filter(({ id }) => !this.except.has(id));
    const rows = photos.map((photo) => ({ photo, words: fateOf(photo, this.places.get(photo.id) ?? photo.place) }));
    const now = JSON.stringify(rows);
    if (now === this.shown) return;
    this.shown = now;
    this.fold.hidden = photos.length === 0;
    this.summary.textContent = say("sentBefore", { n: photos.length });
    if (photos.some(({ id, place, status }) => status === "approved" && (this.places.get(id) ?? place))) this.fold.open = true;
    this.list.replaceChildren(...rows.map(({ photo, words }) => this.row(photo, words)));
    this.changed();
  }

  row(photo, words) {
    const name = photo.caption || say("photo");
    const picture = shot(photo, "3.5rem");
    if (picture) picture.alt = ""; // its caption stands beside it
    const place = photo.status === "approved" ? this.places.get(photo.id) ?? photo.place : 0;
    const button = (action, act) => make("button", { class: "button small", type: "button", "aria-label": say("actionOf", { action, name }), on: { click: act } }, action);
    return make("li", { dataset: { state: place ? "won" : photo.status === "approved" ? "wall" : "saved" } },
      picture ?? make("span", { class: "unread" }), make("span", { class: "said", dir: "auto" }, name), make("span", { class: "state" }, words),
      make("span", { class: "actions" }, photo.status === "approved" ? button(say("share"), () => share(photo)) : null, button(say("delete"), () => this.remove(photo))));
  }

  async remove({ id }) {
    if (!confirm(say("deleteSure"))) return;
    try {
      await request(`/api/mine/${id}`, { method: "DELETE", headers: headers() });
    } catch (refusal) {
      if (refusal.status !== 404) return tellProblem(refusal.message);
    }
    this.photos = this.photos.filter((photo) => photo.id !== id);
    this.draw();
    tell(say("deleted"));
  }
}
