import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { load } from "./load.mjs";

const { LEAST, Slideshow, TURN } = await load("slideshow.js");
const slide = (id) => ({ id, imageUrl: `/${id}`, caption: id });
const settle = async () => { for (let i = 0; i < 20; i++) await null; };
let now = 0;
let drawn = [];
let slides = [];
let prepare = async () => {};

async function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
  await settle();
}

function begin(...ids) {
  slides = ids.map(slide);
  const show = new Slideshow({
    slides: () => slides, prepare: (one) => prepare(one), draw: ({ id }) => drawn.push(id), clear: () => drawn.push("nothing"),
  });
  show.refresh();
  return show;
}

function arrive(show, id) {
  slides = [slide(id), ...slides];
  show.refresh();
}

beforeEach(() => {
  mock.restoreAll();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  [drawn, prepare] = [[], async () => {}];
});

test("photos are shown in turn, newest first, from the start again after the last", async () => {
  begin("c", "b", "a");
  await settle();
  for (let i = 0; i < 3; i++) await pass(TURN);
  assert.deepEqual(drawn, ["c", "b", "a", "c"]);
});

test("one photo alone is drawn once and not again and again", async () => {
  begin("a");
  await settle();
  for (let i = 0; i < 5; i++) await pass(TURN);
  assert.deepEqual(drawn, ["a"]);
});

test("a new photo is shown once, and the show goes on where it was", async () => {
  const show = begin("c", "b", "a");
  await settle();
  await pass(TURN);
  arrive(show, "d");
  await pass(LEAST);
  for (let i = 0; i < 5; i++) await pass(TURN);
  assert.deepEqual(drawn, ["c", "b", "d", "a", "c", "b", "d", "a"]);
});

test("of photos that came all at once each has its turn before any has a second", async () => {
  const show = begin("a");
  await settle();
  for (let i = 0; i < 12; i++) arrive(show, `new ${i}`);
  for (let i = 0; i < 12; i++) await pass(LEAST);
  assert.equal(new Set(drawn).size, 13);
  assert.equal(drawn.length, 13);
});

test("at random none comes again before half of the others had their turn", async () => {
  const show = begin("f", "e", "d", "c", "b", "a");
  show.set({ seconds: 4, order: "random" });
  await settle();
  for (let i = 0; i < 60; i++) await pass(TURN);
  drawn.slice(6).forEach((id, at) => assert.ok(!drawn.slice(at + 6 - 2, at + 6).includes(id), `${id} again in ${drawn}`));
});

test("of photos that arrive faster than one can look, the newest is shown, each for its time", async () => {
  const show = begin("a");
  await settle();
  for (let i = 0; i < 100; i++) {
    arrive(show, `new ${i}`);
    await pass(100);
  }
  assert.ok(drawn.length >= 3 && drawn.length <= 1 + 10_000 / LEAST, `drawn ${drawn}`);
  await pass(LEAST);
  assert.equal(drawn.at(-1), "new 99");
});

test("a photo that is taken away leaves the screen at once, and the first one afterwards is shown at once", async () => {
  const show = begin("a");
  await settle();
  slides = [];
  show.refresh();
  assert.deepEqual(drawn, ["a", "nothing"]);
  await pass(LEAST);
  arrive(show, "b");
  await pass(0);
  assert.equal(drawn.at(-1), "b");
});

test("a photo that is taken away while it is prepared is not shown", async () => {
  const show = begin("b", "a");
  slides = [slide("a")];
  show.refresh();
  await settle();
  assert.deepEqual(drawn, ["a"]);
});

test("a picture that never comes holds up no other", async () => {
  prepare = ({ id }) => (id === "b" ? new Promise(() => {}) : Promise.resolve());
  begin("b", "a");
  await settle();
  await pass(TURN);
  assert.deepEqual(drawn, ["a"]);
});
