// One photo, as large as the screen allows.
import { byId, make } from "./dom.js";
import { ago } from "./ago.js";
import { shot } from "./shot.js";
import { share } from "./share.js";
import { say } from "./words.js";

/** A dialog that shows a photo and turns to its neighbours by buttons, arrow keys and swipes. */
export class LargePhoto {
  /** @param {() => import("./photo-set.js").Photo[]} photos what there is to turn through, newest first */
  constructor(photos) {
    this.photos = photos;
    this.dialog = byId("large");
    byId("large-close").addEventListener("click", () => this.dialog.close());
    byId("large-back").addEventListener("click", () => this.turn(-1));
    byId("large-next").addEventListener("click", () => this.turn(1));
    byId("large-share").addEventListener("click", () => this.shown && share(this.shown));
    this.dialog.addEventListener("keydown", (event) => {
      const toTheRight = document.dir === "rtl" ? -1 : 1; // which way the older photos are
      if (event.key === "ArrowLeft") this.turn(-toTheRight);
      if (event.key === "ArrowRight") this.turn(toTheRight);
    });
    let from = 0;
    this.dialog.addEventListener("pointerdown", (event) => { from = event.clientX; });
    this.dialog.addEventListener("pointerup", (event) => {
      const way = event.clientX - from;
      if (event.pointerType === "touch" && Math.abs(way) > 60) this.turn(way < 0 === (document.dir !== "rtl") ? 1 : -1);
    });
    this.dialog.addEventListener("close", () => byId("large-picture").replaceChildren());
  }

  /** @param {string} id */
  open(id) {
    this.id = id;
    this.draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** To be called when the photos changed: one that was taken away is not shown any longer. */
  refresh() {
    if (!this.dialog.open) return;
    const place = this.photos().findIndex((photo) => photo.id === this.id);
    if (place < 0) this.dialog.close();
    else this.offerTurns(place);
  }

  turn(step) {
    const photos = this.photos();
    const next = photos[photos.findIndex((photo) => photo.id === this.id) + step];
    if (next) this.open(next.id);
  }

  draw() {
    const photos = this.photos();
    const place = photos.findIndex((photo) => photo.id === this.id);
    const photo = photos[place];
    if (!photo) return;
    this.shown = photo;
    byId("large-picture").replaceChildren(shot(photo, "100vw", true) ?? make("p", {}, say("noPicture")));
    byId("large-caption").replaceChildren(make("strong", { dir: "auto" }, photo.caption || say("withoutCaption")), make("span", {}, ago(photo.createdAt)));
    byId("large-save").hidden = !photo.imageUrl;
    byId("large-save").href = photo.imageUrl ?? "";
    byId("large-save").setAttribute("aria-label", say("actionOf", { action: say("save"), name: photo.caption || say("photoWithoutCaption") }));
    this.offerTurns(place);
  }

  offerTurns(place) {
    byId("large-back").disabled = place === 0;
    byId("large-next").disabled = place === this.photos().length - 1;
  }
}
