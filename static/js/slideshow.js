// Which photo the big screen shows, and for how long. No page elements here.

/** How long a photo is shown, in milliseconds. */
export const TURN = 7000;
/** How long it is shown while others arrive faster: a screen that flickers is looked at by nobody. */
export const LEAST = 3000;

/**
 * @typedef {{id: string, imageUrl: string, caption: string}} Slide
 */

/** Turns through all photos, newest first, and begins again with each that arrives. */
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
    this.next = 0; // place of the next slide
    this.arrived = null; // newest slide that was not shown yet
    this.shown = null; // slide on the screen
    this.since = -Infinity; // when it was drawn
    this.preparing = null; // slide that is prepared just now
    this.timer = 0;
  }

  /** @param {Slide} slide that just came in: the next one, as soon as the one on the screen had its time */
  welcome(slide) {
    this.arrived = slide;
    if (!this.preparing) this.arm(Math.max(0, this.since + LEAST - performance.now()));
  }

  /** To be called when slides() changed. */
  refresh() {
    const slides = this.screen.slides();
    if (this.shown && !slides.some(({ id }) => id === this.shown.id)) {
      this.shown = null;
      this.screen.clear();
      this.turn();
    } else if (!this.shown && !this.preparing && slides.length > 0) {
      this.turn();
    }
  }

  arm(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.turn(), wait);
  }

  turn() {
    const slides = this.screen.slides();
    const newest = slides.find(({ id }) => id === this.arrived?.id);
    this.arrived = null;
    this.preparing = null;
    clearTimeout(this.timer);
    if (slides.length === 0) return;
    this.next = newest ? 0 : this.next % slides.length;
    const slide = newest ?? slides[this.next];
    this.next++;
    const same = this.shown && ["id", "imageUrl", "caption"].every((what) => this.shown[what] === slide[what]);
    if (same) this.arm(TURN);
    else this.show(slide);
  }

  async show(slide) {
    this.preparing = slide;
    this.arm(TURN); // not to wait for ever for a picture that doesn't come
    const prepared = await this.screen.prepare(slide);
    if (this.preparing !== slide) return;
    this.preparing = null;
    if (!this.screen.slides().some(({ id }) => id === slide.id)) return this.turn();
    this.shown = slide;
    this.since = performance.now();
    this.screen.draw(slide, prepared);
    this.arm(this.arrived ? LEAST : TURN);
  }
}
