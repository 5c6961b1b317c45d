// Which photo the big screen shows, and for how long. No page elements here.

/** How long a photo is shown, in milliseconds, where no setting says otherwise. */
export const TURN = 7000;
/** How long it is shown while others wait for their first turn: a screen that flickers is looked at by nobody. */
export const LEAST = 3000;

/**
 * @typedef {{id: string, imageUrl: string, caption: string}} Slide
 */

/**
 * Gives every photo its turn: first those that were never shown, the newest of them first, then those that were not shown
 * for the longest time. So a photo that arrives is next, once, and the show goes on where it was.
 */
export class Slideshow {
  /**
   * @param {object} screen
   * @param {() => Slide[]} screen.slides what there is to show, newest first
   * @param {(slide: Slide) => Promise<any>} screen.prepare settles when the slide can be drawn without a flash
   * @param {(slide: Slide, prepared: any) => void} screen.draw
   * @param {() => void} screen.clear takes what is drawn from the screen
   */
  constructor(screen) {
    this.screen = screen;
    this.turnTime = TURN;
    this.random = false;
    this.turns = 0; // how many were given
    this.lastTurn = new Map(); // the number of each photo's last turn, by its id
    this.shown = null; // slide on the screen
    this.since = -Infinity; // when it was drawn
    this.preparing = null; // slide that is prepared just now
    this.timer = 0;
  }

  /** @param {{seconds?: number, order?: "newest"|"random"}} settings how long each photo is shown, and which comes next */
  set({ seconds, order }) {
    this.turnTime = seconds > 0 ? seconds * 1000 : TURN;
    this.random = order === "random";
  }

  /** How long the photo on the screen has at least. */
  least() { return Math.min(LEAST, this.turnTime); }

  /** To be called when slides() changed. */
  refresh() {
    const slides = this.screen.slides();
    const there = new Set(slides.map(({ id }) => id));
    for (const id of this.lastTurn.keys()) if (!there.has(id)) this.lastTurn.delete(id);
    if (this.shown && !there.has(this.shown.id)) {
      this.shown = null;
      this.screen.clear();
      this.turn();
    } else if (!this.preparing && slides.length > 0) {
      if (!this.shown) this.turn();
      else if (this.unseen(slides)) this.arm(Math.max(0, this.since + this.least() - performance.now()));
    }
  }

  unseen(slides) { return slides.find(({ id }) => !this.lastTurn.has(id)); }

  /** The photo whose turn it is. */
  pick(slides) {
    const fresh = this.unseen(slides);
    if (fresh) return fresh;
    const waiting = slides.toSorted((a, b) => this.lastTurn.get(a.id) - this.lastTurn.get(b.id));
    // At random, but none again before half of the others had their turn.
    return waiting[this.random ? Math.floor(Math.random() * Math.ceil(waiting.length / 2)) : 0];
  }

  arm(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.turn(), wait);
  }

  turn() {
    const slides = this.screen.slides();
    this.preparing = null;
    clearTimeout(this.timer);
    if (slides.length === 0) return;
    const slide = this.pick(slides);
    this.lastTurn.set(slide.id, ++this.turns);
    const same = this.shown && ["id", "imageUrl", "caption"].every((what) => this.shown[what] === slide[what]);
    if (same) this.arm(this.turnTime);
    else this.show(slide);
  }

  async show(slide) {
    this.preparing = slide;
    this.arm(this.turnTime); // not to wait for ever for a picture that doesn't come
    const prepared = await this.screen.prepare(slide);
    if (this.preparing !== slide) return;
    this.preparing = null;
    const slides = this.screen.slides();
    if (!slides.some(({ id }) => id === slide.id)) return this.turn();
    this.shown = slide;
    this.since = performance.now();
    this.screen.draw(slide, prepared);
    this.arm(this.unseen(slides) ? this.least() : this.turnTime);
  }
}
