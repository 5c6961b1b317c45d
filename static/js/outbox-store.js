// Photos that wait to be sent, kept in IndexedDB so that a reload or a closed tab loses none.

/**
 * @typedef {{key: string, createdAt: number, firstTry: number, state: "waiting"|"saved"|"refused", category: string,
 *   caption: string, name: string, phone: string, photo: Blob|null, thumbnail: Blob, id?: string, held?: boolean,
 *   problem?: string}} Item
 *   key: the Idempotency-Key; id: the entry's, once saved; held: saved, and waiting for the organiser's approval
 */

/** The guest's photos on this phone. Where the browser allows no database, they live as long as the page. */
export class OutboxStore {
  constructor() {
    this.memory = new Map();
    this.database = open();
  }

  /** @returns {Promise<Item[]>} oldest first */
  async all() {
    const database = await this.database;
    const items = database ? await wait(database.transaction("items").objectStore("items").getAll()) : [...this.memory.values()];
    return items.sort((a, b) => a.createdAt - b.createdAt);
  }

  /** @param {Item} item kept before this returns */
  async put(item) {
    const database = await this.database;
    if (!database) return void this.memory.set(item.key, item);
    await change(database, (items) => items.put(item));
  }

  /** @param {string} key */
  async remove(key) {
    const database = await this.database;
    if (!database) return void this.memory.delete(key);
    await change(database, (items) => items.delete(key));
  }
}

async function open() {
  try {
    const request = indexedDB.open("podium", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("items", { keyPath: "key" });
    return await wait(request);
  } catch {
    return null;
  }
}

function wait(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function change(database, act) {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("items", "readwrite");
    act(transaction.objectStore("items"));
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
