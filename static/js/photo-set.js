// The photos that are known, each once, newest first. No page elements here.

/**
 * @typedef {{id: string, category: string, caption: string, imageUrl: string|null, createdAt: number,
 *   images?: {url: string, width: number, height: number}[]}} Photo
 */

/** Photos by id, in order of arrival at the server, newest first. */
export class PhotoSet {
  constructor() {
    /** @type {Map<string, Photo>} */
    this.byId = new Map();
    /** @type {Photo[]|null} sorted, null when something changed since */
    this.sorted = null;
  }

  /**
   * Adds a photo or replaces what was known of it.
   * @param {Photo} photo
   * @returns {boolean} whether it was not known before
   */
  put(photo) {
    const known = this.byId.get(photo.id);
    this.byId.set(photo.id, { ...known, ...photo });
    this.sorted = null;
    return !known;
  }

  /**
   * @param {string} id
   * @returns {boolean} whether there was one
   */
  remove(id) {
    this.sorted = null;
    return this.byId.delete(id);
  }

  /**
   * Takes over what the feed says: everything it names is here, everything else is gone.
   * @param {Record<string, Photo[]>} feed photos by category
   * @returns {Photo[]} those that were not known before, newest first
   */
  replace(feed) {
    const before = this.byId;
    this.byId = new Map();
    this.sorted = null;
    for (const [category, photos] of Object.entries(feed)) {
      for (const photo of photos) this.byId.set(photo.id, { ...photo, category });
    }
    return this.newestFirst().filter((photo) => !before.has(photo.id));
  }

  /**
   * @param {string} [category] all categories where absent
   * @returns {Photo[]}
   */
  newestFirst(category) {
    this.sorted ??= [...this.byId.values()].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
    return category ? this.sorted.filter((photo) => photo.category === category) : this.sorted;
  }

  /** @param {string} id */
  has(id) { return this.byId.has(id); }

  /** @param {string} id */
  get(id) { return this.byId.get(id); }
}
