// Sends the guest's photos, one after the other, until each has an answer; exactly once, by its key.
import { ApiError, errorOf, keepOffset, newKey } from "./api.js";
import { guestSecret } from "./guest.js";
import { say } from "./words.js";
import { afterFailure, KEY_LIFE, waitBefore } from "./retry.js";

const STALLED = 45000;

/** The queue of photos. Fires "change" whenever an item or its progress changed. */
export class Outbox extends EventTarget {
  /** @param {import("./outbox-store.js").OutboxStore} store */
  constructor(store) {
    super();
    this.store = store;
    /** @type {Map<string, import("./outbox-store.js").Item & {progress?: number, said?: string, onWall?: boolean}>} */
    this.items = new Map();
    /** @type {Set<string>} keys of photos that the guest removed: what is read or written at that moment must not bring them back */
    this.gone = new Set();
    this.busy = false;
    this.attempt = 0;
    this.timer = 0;
    addEventListener("online", () => this.nudge());
    addEventListener("visibilitychange", () => { if (!document.hidden) this.restore(); });
    // Every page that the phone has open would send what waits, so each is told what the guest did in another.
    this.others = globalThis.BroadcastChannel ? new BroadcastChannel("podium-outbox") : null;
    this.others?.addEventListener("message", ({ data }) => this.told(data));
  }

  /** Takes up what an earlier visit left, or another page that was closed. */
  async restore() {
    const kept = await this.store.all().catch(() => []);
    // A photo that was added meanwhile may be on its way already, as the object that is in items.
    for (const item of kept) if (!this.items.has(item.key) && !this.gone.has(item.key)) this.items.set(item.key, item);
    this.changed();
    this.dispatchEvent(new CustomEvent("saved")); // at an earlier visit, and perhaps on a wall that is shown already
    this.nudge();
  }

  /**
   * Keeps a photo and begins to send it. The key is made here, once, and stays with the photo.
   * @param {{category: string, caption: string, name: string, phone: string, credit?: string, terms?: string, photo: Blob, thumbnail: Blob}} what
   */
  async add(what) {
    const item = { ...what, guest: guestSecret(), key: newKey(), createdAt: Date.now(), firstTry: 0, state: "waiting" };
    this.items.set(item.key, item);
    this.changed();
    await this.keep(item);
    this.nudge();
  }

  /** Tries now what waits. */
  nudge() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.busy) this.run();
  }

  /** @param {string} key of a refused photo that the guest wants to send again, as a new one */
  async again(key) {
    const item = this.items.get(key);
    if (!item) return; // pressed twice
    this.forget(key);
    await this.add({ category: item.category, caption: item.caption, name: item.name, phone: item.phone, credit: item.credit, terms: item.terms, photo: item.photo, thumbnail: item.thumbnail });
    await this.remove(key); // last, so that a page that is closed in between loses nothing
  }

  /**
   * Sends a photo no more until the guest says so. It keeps its key: it may have arrived with its answer lost.
   * @param {string} key of a photo that waits
   */
  async hold(key) {
    const item = this.items.get(key);
    if (item?.state !== "waiting" || item.progress !== undefined) return; // it is on its way
    item.state = "held";
    this.tell(item);
    this.changed();
    await this.keep(item);
  }

  /** @param {string} key of a photo that was held */
  async resume(key) {
    const item = this.items.get(key);
    if (item?.state !== "held") return;
    Object.assign(item, { state: "waiting", said: "" });
    this.tell(item);
    this.changed();
    await this.keep(item);
    this.nudge();
  }

  /** @param {string} key */
  async discard(key) {
    this.forget(key);
    this.changed();
    await this.remove(key);
  }

  forget(key) {
    this.items.delete(key);
    this.gone.add(key);
  }

  async remove(key) {
    this.tell({ key, state: "removed" });
    await this.store.remove(key);
  }

  /** Says to the other pages what the guest did with a photo. */
  tell({ key, state }) {
    this.others?.postMessage({ key, state });
  }

  /** Does the same with a photo as another page. */
  told({ key, state }) {
    const item = this.items.get(key);
    if (state === "removed") {
      this.forget(key);
      this.store.remove(key); // it may have been written once more meanwhile
    } else if (item?.state === "waiting" || item?.state === "held") item.state = state;
    this.changed();
    this.nudge();
  }

  /**
   * Notes which photos the wall shows.
   * @param {(id: string) => boolean} shown
   */
  async seen(shown) {
    for (const item of this.items.values()) {
      if (item.state !== "saved" || item.onWall || !shown(item.id)) continue;
      item.onWall = true;
      this.changed();
      await this.store.remove(item.key);
    }
  }

  async run() {
    this.busy = true;
    try {
      for (let item = this.next(); item; item = this.next()) {
        if (!(await this.sendOne(item))) break;
      }
    } finally {
      this.busy = false;
    }
  }

  next() {
    return [...this.items.values()].find((item) => item.state === "waiting");
  }

  /** @returns {Promise<boolean>} whether to go on with the next one at once */
  async sendOne(item) {
    if (item.firstTry && Date.now() - item.firstTry > KEY_LIFE) {
      await this.refuse(item, say("waitedTooLong"));
      return true;
    }
    if (!item.firstTry) {
      item.firstTry = Date.now();
      await this.keep(item);
    }
    item.said = "";
    item.progress = 0;
    this.changed();
    if (!(await readable(item.photo))) {
      delete item.progress;
      await this.refuse(item, say("lostPhoto"), true);
      return true;
    }
    if (!this.items.has(item.key)) return true;
    try {
      const answer = await send(item, (share) => { item.progress = share; this.changed(); });
      this.attempt = 0;
      if (!this.items.has(item.key)) return true;
      Object.assign(item, { state: "saved", id: answer.entry.id, held: answer.status === "waiting", photo: null });
      delete item.progress;
      await this.keep(item);
      this.changed();
      this.dispatchEvent(new CustomEvent("saved"));
      return true;
    } catch (failure) {
      if (!this.items.has(item.key)) return true;
      const verdict = afterFailure(failure.status ?? 0, failure.message);
      delete item.progress;
      if (!verdict.again) {
        await this.refuse(item, verdict.sentence);
        return true;
      }
      item.said = verdict.sentence;
      // The others come first then: it may be this one alone that the server fails at.
      this.items.delete(item.key);
      this.items.set(item.key, item);
      this.changed();
      const wait = Math.max(waitBefore(this.attempt++), verdict.wait ?? 0, (failure.retryAfter ?? 0) * 1000);
      this.timer = setTimeout(() => this.nudge(), wait);
      return false;
    }
  }

  /** @param {boolean} [lost] whether there is no photo to send again */
  async refuse(item, sentence, lost = false) {
    Object.assign(item, { state: "refused", problem: sentence, lost });
    await this.keep(item);
    this.changed();
  }

  async keep(item) {
    const { progress, said, onWall, ...kept } = item;
    if (this.gone.has(item.key)) return;
    try {
      await this.store.put(kept);
    } catch {
      // A full phone: the photo is still sent from memory, it only would not survive a reload.
    }
  }

  changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}

/** Whether a photo is still there. Browsers lose what a Blob holds, with its size 0 or as it was. */
async function readable(photo) {
  try {
    return (await photo.arrayBuffer()).byteLength > 0;
  } catch {
    return false;
  }
}

/** Sends one photo. fetch cannot report how much of a body has left, so this is an XMLHttpRequest. */
function send(item, report) {
  const form = new FormData();
  form.append("category", item.category);
  form.append("caption", item.caption);
  form.append("name", item.name);
  form.append("phone", item.phone);
  // Those that were put here before pages said these say none of them.
  if (item.credit) form.append("credit", item.credit);
  if (item.terms) form.append("terms", item.terms);
  if (item.guest) form.append("guest", item.guest);
  form.append("photo", item.photo, "photo");
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let stalled = 0;
    const alive = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => xhr.abort(), STALLED);
    };
    xhr.upload.onprogress = (event) => {
      alive();
      if (event.lengthComputable) report(event.loaded / event.total);
    };
    xhr.onloadend = () => {
      clearTimeout(stalled);
      if (xhr.status === 200) {
        keepOffset(xhr.getResponseHeader("Podium-Offset"));
        try {
          return resolve(JSON.parse(xhr.responseText));
        } catch {
          return reject(new ApiError(0, say("noConnection")));
        }
      }
      if (xhr.status === 0) return reject(new ApiError(0, say("noConnection")));
      reject(errorOf(xhr.status, xhr.responseText, { get: (name) => xhr.getResponseHeader(name) }));
    };
    xhr.open("POST", "/api/submit");
    xhr.setRequestHeader("Idempotency-Key", item.key);
    alive();
    xhr.send(form);
  });
}
