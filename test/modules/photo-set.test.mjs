import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { PhotoSet } = await load("photo-set.js");
const photo = (id, createdAt) => ({ id, createdAt, category: "best", imageUrl: null, caption: id });
const ids = (set) => set.newestFirst().map((one) => one.id);

test("a photo that comes twice is there once, newest first", () => {
  const set = new PhotoSet();
  assert.equal(set.put(photo("a", 1)), true);
  assert.equal(set.put(photo("b", 2)), true);
  assert.equal(set.put(photo("a", 1)), false);
  assert.deepEqual(ids(set), ["b", "a"]);
});

test("what the feed does not name is gone", () => {
  const set = new PhotoSet();
  set.put(photo("a", 1));
  const fresh = set.replace({ best: [photo("b", 2)] });
  assert.deepEqual(fresh.map((one) => one.id), ["b"]);
  assert.deepEqual(ids(set), ["b"]);
});

test("what arrives or goes while the feed is read outlives the answer", () => {
  const set = new PhotoSet();
  set.put(photo("old", 1));
  const journal = set.beginReading();
  set.put(photo("arrived", 3));
  set.remove("old");
  set.replace({ best: [photo("old", 1), photo("other", 2)] }, journal);
  assert.deepEqual(ids(set), ["arrived", "other"]);
  set.replace({ best: [] }, set.beginReading());
  assert.deepEqual(ids(set), [], "an ended reading leaves nothing behind");
});
