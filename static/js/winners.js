// The winners: revealed one after the other where the page is open when they are announced, at once for whoever comes later.
import { oneAtATime, request } from "/js/api.js";
import { changedCategories, reveal, sameWinners, stage } from "/js/ceremony.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { offerLanguages } from "/js/language.js";
import { readReveal, stagesOf } from "/js/reveal.js";
import { say } from "/js/words.js";

let shown = ""; // the answers that the page shows
let known = {}; // winners by category, as shown
let announced = 0; // how many announcements came
let read = 0; // how many of them had come when the last reading began
let seen = ""; // id of the entry that was presented last
let running = new AbortController(); // ends the reveal under way
let revealing = null; // settles when it is over, null while there is none

const load = oneAtATime(async () => {
  const before = announced;
  const answers = await Promise.all([request("/api/winners"), request("/categories.json"), readReveal()]);
  const [{ winners }, categories, presentation] = answers;
  const now = JSON.stringify(answers);
  // What is presented comes place by place anyway.
  const presented = new Set(presentation?.told.map(({ id }) => id));
  const changed = announced > read ? changedCategories(known, winners) : new Set();
  for (const id of presented) changed.delete(id);
  // A picture that moved, a category's new name, or another category's winners must not spoil the moment.
  const theirs = Object.fromEntries(Object.entries(winners).filter(([id]) => known[id]?.length));
  if (revealing && sameWinners(known, theirs)) return void revealing.then(() => load().catch(() => {}));
  read = before; // these answers may be older than what was announced meanwhile
  if (now === shown) return;
  shown = now;
  known = winners;
  running.abort();
  running = new AbortController();
  const mine = show(stagesOf(categories, winners, presentation), changed, presentation?.now, running.signal);
  revealing = mine;
  mine.then(() => { if (revealing === mine) revealing = null; });
});

async function show(categories, changed, now, signal) {
  const stages = categories.map((category) => ({ id: category.id, ...stage(category, category.places, changed.has(category.id)) }));
  byId("winners").replaceChildren(...(stages.length ? stages.map(({ element }) => element) : [make("div", { class: "stage" },
    make("h1", {}, say("theWinners")), make("p", { class: "hint" }, say("announcedHere")))]));
  const presented = now && stages.find(({ id }) => id === now.category);
  if (presented && now.id !== seen) presented.element.querySelector(`[data-id="${CSS.escape(now.id)}"]`)?.scrollIntoView({ block: "center" });
  seen = now?.id ?? "";
  for (const one of stages) if (changed.has(one.id)) await reveal(one, signal);
}

offerLanguages();
await load().catch(() => {}); // connecting reads it again
follow({
  sign: byId("state"),
  onResync: load,
  onEvent(event) {
    if (event === "winnersUpdated") announced++;
    if (event === "winnersUpdated" || event === "revealUpdated" || event === "categoriesUpdated" || event === "submissionUpdated") return load();
  },
});
