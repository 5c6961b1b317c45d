// What a page says, with numbers and in the plural.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { say, has, number } = await load("words.js");
const { errorOf } = await load("api.js");
const { wayOf } = await load("outbox-view.js");

test("a message takes values, and its plural from the number", () => {
  assert.equal(say("newPhotos", { n: 1 }), "1 new photo");
  assert.equal(say("newPhotos", { n: 1200 }), "1,200 new photos");
  assert.equal(say("actionOf", { action: "Save", name: "{n} & <b>" }), "Save: {n} & <b>");
  assert.equal(say("takenIn", {}), "Photos are taken in {span}");
  assert.equal(say("no such message"), "no such message");
  assert.ok(has("live") && !has("error-null"));
  assert.equal(number(0.5, { style: "percent" }), "50%");
});

test("a refusal is told in the server's words where those are in the page's language", () => {
  const headers = { get: (name) => ({ "Podium-Error": "closed", "Retry-After": "3" })[name] ?? null };
  const error = errorOf(403, '{"error":"Closed, as the server says it."}', headers);
  assert.equal(error.message, "Closed, as the server says it.");
  assert.equal(error.retryAfter, 3);
  assert.equal(errorOf(502, "<html>").message, "The server answered with 502.");
});

test("progress is a share", () => assert.equal(wayOf({ state: "waiting", progress: 0.421 }), "Sending… 42%"));

test("what became of a photo", async () => {
  const { fateOf } = await load("my-photos.js");
  const { photoOf } = await load("share.js");
  assert.equal(fateOf({ status: "waiting" }, 1), "Saved. It appears when the organiser has approved it.");
  assert.equal(fateOf({ status: "approved" }, 1), "You won!");
  assert.equal(fateOf({ status: "approved" }, 2), "Yours: Second");
  assert.equal(fateOf({ status: "approved" }), "On the wall");
  assert.equal(photoOf("#photo/123-abc"), "123-abc");
  assert.equal(photoOf("#best"), "");
});
