import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { inPortions, MOST } = await load("judgement.js");

test("statuses go in requests that the server takes", () => {
  const many = Object.fromEntries(Array.from({ length: 2 * MOST + 1 }, (_, at) => [`id${at}`, "approved"]));
  const portions = inPortions(many);
  assert.deepEqual(portions.map((one) => Object.keys(one).length), [MOST, MOST, 1]);
  assert.deepEqual(Object.assign({}, ...portions), many);
  assert.deepEqual(inPortions({}), []);
});
