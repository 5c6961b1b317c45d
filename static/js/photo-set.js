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
    /** @type {Set<Array<() => void>>} what changed since each reading of the feed began */
    this.journals = new Set();
  }

  /**
   * To be called before the feed is asked for. The answer may be older than events that arrive before it, so that they
   * have to be applied to it once more; the returned journal holds them.
   * @returns {Array<() => void>} for replace, or for forget where no answer came
   */
  beginReading() {
    const journal = [];
    this.journals.add(journal);
    return journal;
  }

  /** @param {Array<() => void>} journal of a reading that changed nothing */
  forget(journal) { this.journals.delete(journal); }

  /**
   * Adds a photo or replaces what was known of it.
   * @param {Photo} photo
   * @returns {boolean} whether it was not known before
   */
  put(photo) {
    for (const journal of this.journals) journal.push(() => this.put(photo));
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
    for (const journal of this.journals) journal.push(() => this.remove(id));
    this.sorted = null;
    return this.byId.delete(id);
  }

  /**
   * Takes over what the feed says: everything it names is here, everything else is gone, but for what arrived or went
   * while it was read.
   * @param {Record<string, Photo[]>} feed photos by category
   * @param {Array<() => void>} [journal] from beginReading
   * @returns {Photo[]} those that were not known before, newest first
   */
  replace(feed, journal = []) {
    this.journals.delete(journal);
    const before = this.byId;
    this.byId = new Map();
    this.sorted = null;
    for (const [category, photos] of Object.entries(feed)) {
      for (const photo of photos) this.byId.set(photo.id, { ...photo, category });
    }
    for (const change of journal) change();
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
