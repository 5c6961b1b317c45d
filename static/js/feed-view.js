// The wall of prints. Only a window of the newest photos has elements; scrolling to the end widens it.
import { make } from "./dom.js";
import { ago } from "./ago.js";
import { placeName } from "./reveal.js";
import { shot } from "./shot.js";
import { say } from "./words.js";

const FIRST = 48;
const STEP = 48;
const PER_FRAME = 12;
const SIZES = "(min-width: 80rem) 18vw, (min-width: 40rem) 30vw, 46vw";

/** Shows a list of photos, newest first, and changes only what differs. */
export class FeedView {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} sentinel element after the list; seeing it means more is wanted
   * @param {(id: string) => void} open called when a photo is chosen
   */
  constructor(list, sentinel, open) {
    this.list = list;
    this.open = open;
    this.limit = FIRST;
    this.elements = new Map();
    this.names = new Map();
    this.places = new Map();
    this.photos = [];
    this.fresh = new Set();
    this.due = false;
    new IntersectionObserver((entries) => {
      if (!entries[0].isIntersecting || this.photos.length <= this.limit) return;
      this.limit += STEP;
      this.schedule();
    }, { rootMargin: "800px" }).observe(sentinel);
    setInterval(() => this.refreshTimes(), 30000);
  }

  /**
   * @param {import("./photo-set.js").Photo[]} photos
   * @param {{fresh?: Iterable<string>, names?: Map<string, string>, places?: Map<string, number>, reset?: boolean}} [more]
   *   fresh: ids that arrived just now; reset: another list, begin with its newest again
   */
  show(photos, { fresh = [], names, places, reset = false } = {}) {
    this.photos = photos;
    if (names) this.names = names;
    if (places) this.places = places;
    if (reset) this.limit = FIRST;
    for (const id of fresh) this.fresh.add(id);
    this.schedule();
  }

  schedule() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw();
    });
  }

  /** Brings the list's elements in line, at most PER_FRAME new ones at a time. */
  draw() {
    const wanted = this.photos.slice(0, this.limit);
    const keep = new Set(wanted.map((photo) => photo.id));
    for (const [id, entry] of this.elements) {
      if (keep.has(id)) continue;
      entry.element.remove();
      this.elements.delete(id);
    }
    let made = 0;
    let next = this.list.firstElementChild;
    for (const photo of wanted) {
      let entry = this.elements.get(photo.id);
      if (entry && entry.url !== photo.imageUrl) {
        const anew = this.print(photo);
        entry.element.replaceWith(anew.element);
        if (next === entry.element) next = anew.element;
        Object.assign(entry, anew);
      }
      if (!entry) {
        if (made === PER_FRAME) return this.schedule();
        made++;
        entry = this.print(photo);
        this.elements.set(photo.id, entry);
      }
      // Names come after the photos, and change.
      const name = this.names.get(photo.category) ?? "";
      if (entry.category.textContent !== name) entry.category.textContent = name;
      const place = this.places.get(photo.id);
      entry.element.classList.toggle("won", place !== undefined);
      entry.frame.dataset.place = place ? placeName(place) : "";
      if (entry.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(entry.element, next);
    }
  }

  print(photo) {
    const fresh = this.fresh.delete(photo.id);
    const category = make("span", { dir: "auto" });
    const frame = make("span", { class: "frame" }, shot(photo, SIZES) ?? make("span", { class: "wordless", dir: "auto" }, photo.caption || say("noPicture")));
    const element = make("li", { class: fresh ? "print new" : "print", dataset: { id: photo.id } },
      make("button", { type: "button", on: { click: () => this.open(photo.id) } },
        frame,
        make("span", { class: "caption", dir: "auto" }, photo.caption),
        make("span", { class: "meta" }, category,
          make("time", { datetime: new Date(photo.createdAt).toISOString() }, ago(photo.createdAt)))));
    if (fresh) setTimeout(() => element.classList.remove("new"), 4000);
    return { element, frame, category, url: photo.imageUrl };
  }

  refreshTimes() {
    if (document.hidden) return;
    for (const time of this.list.querySelectorAll("time")) {
      const words = ago(Date.parse(time.dateTime));
      if (time.textContent !== words) time.textContent = words;
    }
  }
}
