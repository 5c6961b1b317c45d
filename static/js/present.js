// The presenter's phone: it goes on with the presentation, or back, and does nothing else.
import { oneAtATime } from "/js/api.js";
import { byId } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { press, readCue } from "/js/presenter-keys.js";
import { placeName } from "/js/reveal.js";
import { say } from "/js/words.js";

let cue = null;
let busy = false;

const words = (one) => `${placeName(one.place)}: ${one.category}`;

function show() {
  byId("progress").textContent = cue ? say("placeOf", { at: Math.min(cue.turn, cue.turns), n: cue.turns }) : "";
  byId("now").textContent = !cue ? say("nothingToPresent") : cue.state === "prepared" ? say("ready") : cue.state === "done" ? say("thatWasAll") : words(cue.now);
  byId("coming").textContent = cue?.next ? say("comingNext", { what: words(cue.next) }) : cue?.state === "presenting" ? say("comingAll") : "";
  byId("next").disabled = busy || !cue || cue.state === "done";
  byId("back").disabled = busy || !cue || cue.state === "prepared";
}

function problem(refusal) {
  byId("problem").textContent = !refusal ? "" : refusal.status === 401 ? say("linkInvalid") : refusal.message;
}

const load = oneAtATime(async () => {
  try {
    cue = await readCue();
    problem(null);
  } catch (refusal) {
    problem(refusal);
    if (refusal.status !== 401) throw refusal;
    cue = null;
  } finally {
    show();
  }
});

async function go(way) {
  if (busy || !cue) return;
  busy = true;
  show();
  try {
    cue = await press(way, cue.turn);
    problem(null);
  } catch (refusal) {
    // Somebody else was faster: what is shown now is what they did.
    if (refusal.status === 409) await load().catch(() => {});
    else problem(refusal);
  } finally {
    busy = false;
    show();
  }
}

byId("next").addEventListener("click", () => go("next"));
byId("back").addEventListener("click", () => go("back"));
await load().catch(() => {});
follow({ sign: byId("state"), onResync: load, onEvent(event) { if (event === "revealUpdated" || event === "categoriesUpdated") return load(); } });
