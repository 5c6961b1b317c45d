// The winners: revealed one after the other where the page is open when they are announced, at once for whoever comes later.
import { oneAtATime, request } from "/js/api.js";
import { changedCategories, reveal, stage } from "/js/ceremony.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";

let shown = ""; // the answers that the page shows
let known = {}; // winners by category, as shown
let announced = false; // an announcement came that was not read yet
let running = new AbortController(); // ends the reveal under way

const load = oneAtATime(async () => {
  const answers = await Promise.all([request("/api/winners"), request("/categories.json")]).catch(() => null);
  if (!answers) return;
  const [{ winners }, categories] = answers;
  const now = JSON.stringify(answers);
  const changed = announced ? changedCategories(known, winners) : new Set();
  announced = false;
  if (now === shown) return;
  shown = now;
  known = winners;
  running.abort();
  running = new AbortController();
  show(categories.filter((category) => winners[category.id]?.length), winners, changed, running.signal);
});

async function show(categories, winners, changed, signal) {
  const stages = categories.map((category) => ({ id: category.id, ...stage(category, winners[category.id], changed.has(category.id)) }));
  byId("winners").replaceChildren(...(stages.length ? stages.map(({ element }) => element) : [make("div", { class: "stage" },
    make("h1", {}, "The winners"), make("p", { class: "hint" }, "They are announced on stage, and here in the same moment."))]));
  for (const one of stages) if (changed.has(one.id)) await reveal(one, signal);
}

await load();
follow({
  sign: byId("state"),
  onResync: load,
  onEvent(event) {
    if (event === "winnersUpdated") announced = true;
    if (event === "winnersUpdated" || event === "categoriesUpdated" || event === "submissionUpdated") load();
  },
});
