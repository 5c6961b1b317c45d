// The presentation on a big screen: one photo at a time, whole; after each first place a rest with the category's podium; then
// the podium of all.
import { throwConfetti } from "/js/ceremony.js";
import { make } from "/js/dom.js";
import { placeName } from "/js/reveal.js";
import { shot } from "/js/shot.js";
import { say } from "/js/words.js";

/** How long a first place has the screen for itself, in milliseconds. */
const REST = 12_000;

/** Draws a presentation into an element, which is hidden while there is none to show. */
export class Presentation {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.shown = ""; // what is drawn
    this.timer = 0;
  }

  /** Whether the presentation has the screen. */
  get on() { return !this.root.hidden; }

  /**
   * @param {import("./reveal.js").Reveal|null} reveal
   * @param {boolean} live whether it was seen to move on: only then is a turn celebrated
   */
  show(reveal, live) {
    const now = JSON.stringify(reveal);
    if (now === this.shown) return;
    this.shown = now;
    clearTimeout(this.timer);
    const told = reveal?.told ?? [];
    const last = told.at(-1);
    this.root.hidden = !reveal || reveal.state === "prepared";
    if (this.root.hidden) return this.root.replaceChildren();
    if (reveal.state === "done") return this.draw("all", podiumOfAll(told));
    if (!reveal.now) return this.draw("podium", podium(last));
    const picture = onePhoto(reveal.now, last.name);
    this.draw("photo", picture);
    if (!last.complete) return;
    if (live) throwConfetti(picture);
    if (last.places.length > 1) this.timer = setTimeout(() => this.draw("podium", podium(last)), REST);
  }

  draw(what, element) {
    this.root.dataset.shows = what;
    this.root.replaceChildren(element);
  }
}

function onePhoto({ place, caption, name, ...entry }, category) {
  return make("article", { class: "presented", dataset: { id: entry.id, place } },
    make("p", { class: "which" }, make("b", {}, placeName(place)), make("span", { dir: "auto" }, category)),
    shot({ ...entry, caption }, "100vw", true) ?? make("p", { class: "wordless", dir: "auto" }, caption),
    make("p", { class: "whose" }, entry.imageUrl && caption ? make("span", { dir: "auto" }, caption) : null, name ? make("b", { dir: "auto" }, name) : null));
}

function podium({ name, places }) {
  return make("article", { class: "podium-of" }, make("h1", { dir: "auto" }, name), make("div", { class: "places" }, ...places.map(card)));
}

function podiumOfAll(told) {
  return make("article", { class: "podium-of all" }, make("h1", {}, say("theWinners")),
    make("div", { class: "places" }, ...told.filter(({ places }) => places.length).map(({ name, places }) => card(places[0], name))));
}

function card(one, category) {
  return make("figure", { dataset: { place: one.place } }, shot(one, "40vw", true) ?? make("p", { class: "wordless", dir: "auto" }, one.caption),
    make("figcaption", {}, make("b", { dir: "auto" }, typeof category === "string" ? category : placeName(one.place)),
      make("span", { dir: "auto" }, [one.imageUrl ? one.caption : "", one.name].filter(Boolean).join(" · "))));
}
