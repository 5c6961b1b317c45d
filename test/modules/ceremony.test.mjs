import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { changedCategories, sameWinners } = await load("ceremony.js");
const won = (...ids) => ids.map((id) => ({ id }));
const news = (before, now) => [...changedCategories({ best: before, worst: won("x") }, { best: now, worst: won("x") })];

test("who wins anew, or in another order, is announced", () => {
  assert.deepEqual(news([], won("a")), ["best"]);
  assert.deepEqual(news(won("a"), won("a", "b")), ["best"]);
  assert.deepEqual(news(won("a", "b"), won("b", "a")), ["best"]);
  assert.deepEqual([...changedCategories({}, { best: won("a") })], ["best"]);
});

test("who is taken away is not announced, nor are those who stay", () => {
  assert.deepEqual(news(won("a", "b"), won("b")), []);
  assert.deepEqual(news(won("a", "b"), won("a")), []);
  assert.deepEqual(news(won("a"), []), []);
  assert.deepEqual(news(won("a", "b"), won("a", "b")), []);
});

test("winners are the same when their places are", () => {
  assert.ok(sameWinners({ best: won("a", "b"), worst: [] }, { best: won("a", "b") }));
  assert.ok(!sameWinners({ best: won("a", "b") }, { best: won("b", "a") }));
});
