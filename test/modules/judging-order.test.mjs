import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { JudgingOrder } = await load("judging-order.js");
const begin = (ids, first) => {
  const order = new JudgingOrder();
  order.begin(ids, first);
  return order;
};
const all = () => true;

test("one goes through the photos and stays at either end", () => {
  const order = begin(["a", "b", "c"], "b");
  assert.equal(order.current, "b");
  order.move(5);
  assert.equal(order.current, "c");
  order.judged();
  assert.equal(order.current, "c");
  order.move(-5);
  assert.equal(order.current, "a");
});

test("what was judged stays where it is, and what arrives joins at the end", () => {
  const order = begin(["a", "b"]);
  order.judged();
  order.refresh(all, ["new", "b"]); // a was approved, and does not wait any more
  assert.deepEqual(order.ids, ["a", "b", "new"]);
  assert.equal(order.current, "b");
});

test("what is gone takes nobody's place away", () => {
  const order = begin(["a", "b", "c"], "c");
  order.toggle();
  order.refresh((id) => id !== "a", []);
  assert.equal(order.current, "c");
  order.refresh((id) => id === "b", []);
  assert.equal(order.current, "b");
  assert.deepEqual(order.targets(), ["b"], "what is gone is not selected");
  order.refresh(() => false, []);
  assert.equal(order.current, undefined);
  assert.deepEqual(order.targets(), []);
  order.toggle();
  order.judged();
  assert.equal(order.selected.size, 0);
});

test("what is selected is judged together, in its order, and the place stays", () => {
  const order = begin(["a", "b", "c", "d"], "d");
  order.toggle();
  order.goTo("a");
  order.selectTo("b");
  assert.deepEqual(order.targets(), ["a", "b", "d"]);
  order.judged();
  assert.equal(order.current, "b");
  assert.deepEqual(order.targets(), ["b"]);
});

test("selecting twice selects nothing", () => {
  const order = begin(["a", "b"], "b");
  order.toggle();
  order.toggle();
  assert.equal(order.selected.size, 0);
});

test("it begins with the first where the wanted one is not there", () => assert.equal(begin(["a", "b"], "x").current, "a"));
