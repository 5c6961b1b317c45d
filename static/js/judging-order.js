// The order in which photos are judged, where one is in it, and which are selected. No page elements here.

/**
 * The ids of what is judged. They keep their order while they are judged, whatever becomes of them, so that no photo
 * comes under a finger that was meant for another: those that arrive join at the end.
 */
export class JudgingOrder {
  constructor() {
    /** @type {string[]} */
    this.ids = [];
    this.at = 0;
    /** @type {Set<string>} */
    this.selected = new Set();
  }

  /** @type {string|undefined} the id that the keys act on, where there is one */
  get current() { return this.ids[this.at]; }

  /**
   * Begins with other photos.
   * @param {string[]} ids
   * @param {string} [first] the one to begin with
   */
  begin(ids, first) {
    this.ids = [...ids];
    this.at = Math.max(0, this.ids.indexOf(first));
    this.selected.clear();
  }

  /**
   * Takes over what is there now.
   * @param {(id: string) => boolean} there whether a photo is still there
   * @param {string[]} matching those that would be judged if one began now
   */
  refresh(there, matching) {
    const gone = this.ids.slice(0, this.at).filter((id) => !there(id)).length;
    const known = new Set(this.ids);
    this.ids = this.ids.filter(there).concat(matching.filter((id) => !known.has(id)));
    this.at = this.within(this.at - gone);
    for (const id of this.selected) if (!there(id)) this.selected.delete(id);
  }

  within(at) { return Math.max(0, Math.min(at, this.ids.length - 1)); }

  /** @param {number} step how many photos on, or back where it is negative: at either end it stays */
  move(step) { this.at = this.within(this.at + step); }

  /** @param {string} id to go to */
  goTo(id) { this.at = Math.max(0, this.ids.indexOf(id)); }

  /** Selects the current photo, or not any more. */
  toggle() {
    if (this.current && !this.selected.delete(this.current)) this.selected.add(this.current);
  }

  /** @param {string} id up to which everything from the current photo on is selected */
  selectTo(id) {
    const to = this.ids.indexOf(id);
    for (const one of this.ids.slice(Math.min(this.at, to), Math.max(this.at, to) + 1)) this.selected.add(one);
    this.at = to;
  }

  /** @returns {string[]} what is judged next: what is selected, or else the current photo */
  targets() {
    return this.selected.size ? this.ids.filter((id) => this.selected.has(id)) : this.ids.slice(this.at, this.at + 1);
  }

  /** To be called when the targets were judged: goes on to the next photo, or lets go of the selection. */
  judged() {
    if (this.selected.size) this.selected.clear();
    else this.move(1);
  }
}
