// The winners, revealed.
import { request } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { shot } from "/js/shot.js";

const places = ["Winner", "Second", "Third"];
let before = "";

async function load(reveal) {
  const answers = await Promise.all([request("/api/winners"), request("/categories.json")]).catch(() => null);
  if (!answers) return;
  const [{ winners }, categories] = answers;
  const now = JSON.stringify(winners);
  if (now === before) return;
  before = now;
  const stages = categories.filter((c) => winners[c.id]?.length).map((category) => stage(category, winners[category.id], reveal));
  byId("winners").replaceChildren(...(stages.length ? stages : [make("div", { class: "stage" },
    make("h1", {}, "The winners"), make("p", { class: "hint" }, "They are announced on stage, and here in the same moment."))]));
}

function stage(category, winners, reveal) {
  return make("section", { class: "stage" },
    make("h1", {}, category.name),
    make("div", { class: "podium" }, ...winners.map((winner, i) => make("article", { class: reveal ? "place reveal" : "place", dataset: { id: winner.id } },
      shot(winner, "(max-width: 600px) 82vw, 480px", true),
      make("p", { class: "rank" }, places[i] ?? `Place ${i + 1}`),
      make("p", {}, winner.caption)))));
}

await load(false);
follow({
  sign: byId("state"),
  onResync: () => load(false),
  onEvent(event) {
    if (event === "winnersUpdated") load(true);
    else if (event === "categoriesUpdated" || event === "submissionUpdated") load(false);
  },
});
