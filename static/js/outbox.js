// Keeps what is to be sent until the server has said that it is stored: in IndexedDB, so that neither a closed
// page nor a dropped Wi-Fi loses a photo. Each entry has the Idempotency-Key that was made when it was captured,
// so that sending twice is submitting once.
import { backoff } from "/js/live.js";

const name = "podium-outbox";

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("entries", { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function run(db, mode, work) {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction("entries", mode);
    const request = work(transaction.objectStore("entries"));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
  });
}

/**
 * Opens the outbox and begins to send what waits in it.
 * @param {(entry: object, state: "waiting"|"sending"|"saved"|"refused", detail: any) => void} onChange detail is the
 *   share sent (0 to 1), the server's answer, or the sentence of a refusal
 */
export async function openOutbox(onChange) {
  let db = null;
  const memory = new Map(); // private windows may have no database
  try {
    db = await open();
  } catch {
    db = null;
  }
  const all = async () => (db ? await run(db, "readonly", (s) => s.getAll()) : [...memory.values()]);
  const put = async (entry) => (db ? run(db, "readwrite", (s) => s.put(entry)) : memory.set(entry.key, entry));
  const drop = async (entry) => (db ? run(db, "readwrite", (s) => s.delete(entry.key)) : memory.delete(entry.key));

  let busy = false;
  let failures = 0;
  let timer = 0;
  const later = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(pump, wait);
  };

  async function pump() {
    if (busy) return;
    busy = true;
    try {
      for (const entry of (await all()).sort((a, b) => a.at - b.at)) {
        onChange(entry, "sending", 0);
        const result = await send(entry, (share) => onChange(entry, "sending", share));
        if (result.stored) {
          failures = 0;
          await drop(entry);
          onChange(entry, "saved", result.answer);
        } else if (result.final) {
          await drop(entry);
          onChange(entry, "refused", result.sentence);
        } else {
          onChange(entry, "waiting", result.sentence);
          later(Math.max(result.retryAfter * 1000, backoff(failures++)));
          return;
        }
      }
    } finally {
      busy = false;
    }
  }

  addEventListener("online", () => later(0));
  for (const entry of await all()) onChange(entry, "waiting", "");
  later(0);
  return {
    /** Adds an entry ({category, caption, name, phone, photo}) and sends it as soon as that works. */
    async add(fields) {
      const entry = { ...fields, key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`, at: Date.now() };
      await put(entry);
      onChange(entry, "waiting", "");
      later(0);
    },
    retry: () => later(0),
  };
}

// Sends one entry. What the server refuses for good is final; everything else is tried again.
function send(entry, onProgress) {
  return new Promise((resolve) => {
    const body = new FormData();
    for (const field of ["category", "caption", "name", "phone"]) body.append(field, entry[field]);
    if (entry.photo) body.append("photo", entry.photo, "photo.jpg");
    const request = new XMLHttpRequest();
    request.open("POST", "/api/submit");
    request.setRequestHeader("Idempotency-Key", entry.key);
    request.timeout = 120_000;
    request.upload.onprogress = (e) => e.lengthComputable && onProgress(e.loaded / e.total);
    const again = (sentence) => resolve({ stored: false, final: false, sentence, retryAfter: Number(request.getResponseHeader?.("Retry-After")) || 0 });
    request.onerror = () => again("No connection: kept here and sent later.");
    request.ontimeout = () => again("That took too long: it is sent again.");
    request.onload = () => {
      let answer = {};
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        answer = {};
      }
      if (request.status === 200 && answer.persistenceConfirmed) resolve({ stored: true, answer });
      else if (request.status >= 400 && request.status < 500 && ![408, 409, 425, 429].includes(request.status)) {
        resolve({ stored: false, final: true, sentence: answer.error || "The server did not take it." });
      } else again(answer.error || "The server is busy: it is sent again.");
    };
    request.send(body);
  });
}
