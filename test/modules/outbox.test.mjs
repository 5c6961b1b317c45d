import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { load } from "./load.mjs";

globalThis.addEventListener ??= () => {};
globalThis.BroadcastChannel = undefined; // Node's would join all outboxes here, and keep the process running
const { Outbox } = await load("outbox.js");
const { afterFailure, LONGEST_WAIT, waitBefore } = await load("retry.js");

let requests = [];
let answers = []; // what the server does with each: [status, body], or null for no answer

globalThis.XMLHttpRequest = class {
  upload = {};
  headers = {};
  open() {}
  setRequestHeader(name, value) { this.headers[name] = value; }
  getResponseHeader() { return null; }
  abort() { this.status = 0; this.onloadend(); }
  send() {
    requests.push(this.headers["Idempotency-Key"]);
    const [status, body] = answers.shift() ?? [0, ""];
    queueMicrotask(() => { this.status = status; this.responseText = body; this.onloadend(); });
  }
};

/** Keeps copies, as a database does. */
class Store {
  kept = new Map();
  async all() { return [...this.kept.values()].map((item) => ({ ...item })); }
  async put(item) { this.kept.set(item.key, { ...item }); }
  async remove(key) { this.kept.delete(key); }
}

const saved = (id) => [200, JSON.stringify({ entry: { id }, status: "approved" })];
const what = { category: "best", caption: "x", name: "", phone: "", photo: new Blob(["p"]), thumbnail: new Blob(["t"]) };
// A Blob is read in turns of the event loop.
const settle = async () => { for (let i = 0; i < 20; i++) await new Promise(setImmediate); };

beforeEach(() => { requests = []; answers = []; mock.timers.reset(); mock.timers.enable({ apis: ["setTimeout"] }); });

test("a photo without an answer is sent again with the same key until it is saved", async () => {
  const outbox = new Outbox(new Store());
  answers = [[0, ""], [503, "{}"], saved("1")];
  await outbox.add(what);
  await settle();
  for (let i = 0; i < 2; i++) { mock.timers.tick(LONGEST_WAIT); await settle(); }
  assert.equal(requests.length, 3);
  assert.equal(new Set(requests).size, 1);
  assert.equal([...outbox.items.values()][0].state, "saved");
});

test("what an earlier visit left is sent with the key that it had", async () => {
  const store = new Store();
  const before = new Outbox(store);
  await before.add(what);
  await settle();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  answers = [saved("2")];
  const after = new Outbox(store);
  await after.restore();
  await settle();
  assert.equal(requests.length, 2);
  assert.equal(requests[0], requests[1]);
  await after.seen((id) => id === "2");
  assert.equal(store.kept.size, 0, "what is on the wall is kept no longer");
});

test("a nudge while a photo is on its way does not send it twice", async () => {
  const outbox = new Outbox(new Store());
  answers = [saved("3"), saved("4")];
  const adding = outbox.add(what);
  outbox.nudge();
  outbox.nudge();
  await adding;
  outbox.nudge();
  await settle();
  assert.equal(requests.length, 1);
});

test("what the server refuses for good waits for the guest and holds up no other", async () => {
  const outbox = new Outbox(new Store());
  answers = [[415, "{}"], saved("5")];
  await outbox.add(what);
  await outbox.add(what);
  await settle();
  assert.deepEqual([...outbox.items.values()].map((item) => item.state), ["refused", "saved"]);
});

test("a refused photo is sent again once, however often the guest says so", async () => {
  const outbox = new Outbox(new Store());
  answers = [[415, "{}"], saved("11"), saved("12")];
  await outbox.add(what);
  await settle();
  const [refused] = outbox.items.keys();
  await Promise.all([outbox.again(refused), outbox.again(refused)]);
  await settle();
  assert.equal(requests.length, 2);
});

test("a photo that the server fails at again and again holds up no other", async () => {
  const outbox = new Outbox(new Store());
  answers = [[502, ""], saved("9"), [502, ""]];
  await outbox.add(what);
  await outbox.add(what);
  await settle();
  mock.timers.tick(LONGEST_WAIT);
  await settle();
  assert.deepEqual(requests.map((key) => key === requests[0]), [true, false, true]);
  assert.deepEqual([...outbox.items.values()].map((item) => item.state).sort(), ["saved", "waiting"]);
});

test("a photo that is held back is sent when the guest says so, with the key that it had", async () => {
  const store = new Store();
  const outbox = new Outbox(store);
  answers = [[0, ""], saved("6"), saved("7")];
  await outbox.add(what);
  await settle();
  const [held] = outbox.items.keys();
  await outbox.hold(held);
  mock.timers.tick(LONGEST_WAIT);
  await settle();
  assert.equal(requests.length, 1, "it was sent though it was held");
  assert.equal(store.kept.get(held).state, "held", "a reload would send it");
  await outbox.add(what);
  await settle();
  assert.equal(requests.length, 2, "it holds up another");
  await outbox.resume(held);
  await settle();
  assert.equal(requests.length, 3);
  assert.equal(requests[2], requests[0]);
  assert.deepEqual([...outbox.items.values()].map((item) => item.state), ["saved", "saved"]);
});

test("a photo that is on its way can't be held back", async () => {
  const outbox = new Outbox(new Store());
  answers = [saved("8")];
  await outbox.add(what);
  const [key] = outbox.items.keys();
  await outbox.hold(key);
  await settle();
  assert.equal(outbox.items.get(key).state, "saved");
});

test("what the guest did in another page holds for what was not answered yet", async () => {
  const store = new Store();
  const outbox = new Outbox(store);
  answers = [saved("10"), [503, "{}"], [503, "{}"]];
  for (let i = 0; i < 3; i++) await outbox.add(what);
  await settle();
  const [answered, ...others] = requests;
  for (const state of ["held", "waiting", "held"]) outbox.told({ key: answered, state });
  for (const key of outbox.items.keys()) if (key !== answered) outbox.told({ key, state: "held" });
  outbox.told({ key: others[0], state: "removed" });
  await settle();
  const before = requests.length;
  mock.timers.tick(LONGEST_WAIT);
  await settle();
  assert.deepEqual([...outbox.items.values()].map((item) => item.state), ["saved", "held"]);
  assert.equal(requests.length, before);
});

test("what another page removed while it was on its way is sent no more and kept no more", async () => {
  const store = new Store();
  const outbox = new Outbox(store);
  answers = [[415, "{}"]];
  const adding = outbox.add(what);
  const [key] = outbox.items.keys();
  await adding;
  outbox.told({ key, state: "removed" });
  await store.remove(key);
  await settle();
  assert.equal(store.kept.size, 0);
});

test("what the guest removes while the database is read or written does not come back", async () => {
  const store = new Store();
  const outbox = new Outbox(store);
  await outbox.add(what);
  await settle();
  const [key] = outbox.items.keys();
  const read = store.all();
  store.all = () => read; // begun before the photo is removed
  await outbox.discard(key);
  await outbox.restore();
  assert.equal(outbox.items.size, 0, "read");

  await outbox.add(what);
  await settle();
  const [item] = outbox.items.values();
  outbox.told({ key: item.key, state: "removed" });
  await outbox.keep(item); // as the answer to its request has it
  assert.equal(store.kept.size, 0, "written");
  assert.equal(outbox.items.size, 0);
});

test("waits grow from about a second to half a minute", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map((n) => waitBefore(n, 0.5)), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.ok(waitBefore(0, 0) >= 500 && waitBefore(9, 0.999) <= LONGEST_WAIT);
  assert.equal(afterFailure(0, "").again, true);
  assert.equal(afterFailure(400, "No such category.").sentence, "No such category.");
});

test("a photo that the browser lost is not sent, and says so", async () => {
  const unreadable = { size: 1, arrayBuffer: async () => { throw new DOMException("gone", "NotReadableError"); } };
  for (const photo of [new Blob([]), unreadable, null]) {
    const store = new Store();
    const outbox = new Outbox(store);
    await outbox.add({ ...what, photo });
    await settle();
    assert.equal(requests.length, 0);
    const [item] = outbox.items.values();
    assert.equal(item.state, "refused");
    assert.match(item.problem, /choose it again/);
    assert.equal(item.lost, true);
    assert.equal(store.kept.size, 1);
  }
});

test("a photo that is lost holds up no other", async () => {
  const outbox = new Outbox(new Store());
  answers = [saved("20")];
  await outbox.add({ ...what, photo: new Blob([]) });
  await outbox.add(what);
  await settle();
  assert.deepEqual([...outbox.items.values()].map((item) => item.state), ["refused", "saved"]);
});

test("why a kind of picture is not taken is said in the server's words", () => {
  assert.equal(afterFailure(415, "Please choose the JPEG.").sentence, "Please choose the JPEG.");
  assert.match(afterFailure(415, "").sentence, /choose another/);
});
