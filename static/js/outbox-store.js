// Photos that wait to be sent, kept in IndexedDB so that a reload or a closed tab loses none.

/**
 * @typedef {{key: string, createdAt: number, firstTry: number, state: "waiting"|"held"|"saved"|"refused",
 *   category: string, caption: string, name: string, phone: string, photo: Blob|null, thumbnail: Blob, id?: string, held?: boolean,
 *   problem?: string, lost?: boolean}} Item
 *   key: the Idempotency-Key; state held: the guest does not want it sent for now; id: the entry's, once saved;
 *   held: saved, and waiting for the organiser's approval; lost: refused, because the photo is there no more
 */

// Some browsers open a database only after a reload, and never say so. The photo is sent from memory then, and kept when
// the database is open after all.
const PATIENCE = 3000;

/**
 * The guest's photos on this phone. Where the browser allows no database, or takes it away (iPhones do, from pages in the
 * background), they live as long as the page. No method fails.
 */
export class OutboxStore {
  constructor() {
    /** @type {Map<string, Item>} what no database took */
    this.memory = new Map();
    this.open();
  }

  /** @returns {Promise<Item[]>} oldest first; waits for the database as long as it takes */
  async all() {
    await this.opened;
    const kept = await this.use("readonly", (items) => items.getAll()) ?? [];
    return [...kept, ...this.memory.values()].sort((a, b) => a.createdAt - b.createdAt);
  }

  /** @param {Item} item kept before this returns */
  async put(item) {
    if (await this.use("readwrite", (items) => items.put(item)) === null) this.memory.set(item.key, item);
    else this.memory.delete(item.key);
  }

  /** @param {string} key */
  async remove(key) {
    this.memory.delete(key);
    await this.use("readwrite", (items) => items.delete(key));
  }

  /** Does something in a transaction, in a database opened anew where the old one is gone. null where none would do it. */
  async use(mode, act) {
    for (let attempt = 0; attempt < 2; attempt++) {
      const database = await this.database;
      if (!database) return null;
      try {
        const transaction = database.transaction("items", mode);
        const request = act(transaction.objectStore("items"));
        return await new Promise((resolve, reject) => {
          transaction.oncomplete = () => resolve(request.result ?? true);
          transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error("aborted"));
        });
      } catch {
        database.close();
        this.open();
      }
    }
    return null;
  }

  open() {
    const opened = this.opened = open();
    let late = false;
    this.database = Promise.race([opened, new Promise((resolve) => setTimeout(() => { late = true; resolve(null); }, PATIENCE))]);
    opened.then((database) => {
      if (!late || !database || this.opened !== opened) return;
      this.database = opened;
      for (const item of this.memory.values()) this.put(item);
    });
  }
}

/** Opens the database. null where the browser refuses. */
function open() {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open("podium", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("items", { keyPath: "key" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}
