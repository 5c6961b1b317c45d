// The winners: revealed one after the other where the page is open when they are announced, at once for whoever comes later.
import { oneAtATime, request } from "/js/api.js";
import { changedCategories, reveal, sameWinners, stage } from "/js/ceremony.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";

let shown = ""; // the answers that the page shows
let known = {}; // winners by category, as shown
let announced = 0; // how many announcements came
let read = 0; // how many of them had come when the last reading began
let running = new AbortController(); // ends the reveal under way
let revealing = null; // settles when it is over, null while there is none

const load = oneAtATime(async () => {
  const before = announced;
  const answers = await Promise.all([request("/api/winners"), request("/categories.json")]);
  const [{ winners }, categories] = answers;
  const now = JSON.stringify(answers);
  const changed = announced > read ? changedCategories(known, winners) : new Set();
  // A picture that moved, a category's new name, or another category's winners must not spoil the moment.
  const theirs = Object.fromEntries(Object.entries(winners).filter(([id]) => known[id]?.length));
  if (revealing && sameWinners(known, theirs)) return void revealing.then(() => load().catch(() => {}));
  read = before; // these answers may be older than what was announced meanwhile
  if (now === shown) return;
  shown = now;
  known = winners;
  running.abort();
  running = new AbortController();
  const mine = show(categories.filter((category) => winners[category.id]?.length), winners, changed, running.signal);
  revealing = mine;
  mine.then(() => { if (revealing === mine) revealing = null; });
});

async function show(categories, winners, changed, signal) {
  const stages = categories.map((category) => ({ id: category.id, ...stage(category, winners[category.id], changed.has(category.id)) }));
  byId("winners").replaceChildren(...(stages.length ? stages.map(({ element }) => element) : [make("div", { class: "stage" },
    make("h1", {}, "The winners"), make("p", { class: "hint" }, "They are announced on stage, and here in the same moment."))]));
  for (const one of stages) if (changed.has(one.id)) await reveal(one, signal);
}

await load().catch(() => {}); // connecting reads it again
follow({
  sign: byId("state"),
  onResync: load,
  onEvent(event) {
    if (event === "winnersUpdated") announced++;
    if (event === "winnersUpdated" || event === "categoriesUpdated" || event === "submissionUpdated") return load();
  },
});
