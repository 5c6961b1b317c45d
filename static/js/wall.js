// The big screen: a slideshow of all photos, the newest beside it, and the winners when they are announced.
import { oneAtATime, request } from "/js/api.js";
import { changedCategories, placeName, rest, reveal, stage } from "/js/ceremony.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { PhotoSet } from "/js/photo-set.js";
import { shot } from "/js/shot.js";

const slideEvery = 7000;
const stageFor = 15_000;
const beside = 12;
const photos = new PhotoSet();
let next = 0;
let known = null; // winners by category, null before they were read
let labels = new Map(); // what a photo won, by its id
let running = new AbortController(); // ends the ceremony under way
let screen = null; // holds the lock that keeps the screen awake

/** Shows a photo once it is decoded, so that the wall never flashes empty. */
async function show(item) {
  const caption = [labels.get(item.id), item.caption].filter(Boolean).join(" · ");
  const picture = shot(item, "70vw", true);
  await picture?.decode().catch(() => {});
  if (!photos.has(item.id)) return;
  byId("show").dataset.id = item.id;
  // Upright photos don't fill a screen that lies on its side: the same one, blurred, does.
  const behind = picture && make("img", { class: "behind", src: item.images?.[0]?.url ?? item.imageUrl, alt: "" });
  byId("show").replaceChildren(...(picture ? [behind, picture] : []), make("p", { hidden: !caption }, caption));
}

const withPicture = () => photos.newestFirst().filter((item) => item.imageUrl);

function slide() {
  const list = withPicture();
  if (list.length === 0) return;
  next %= list.length;
  show(list[next++]);
}

function showNewest() {
  const list = byId("newest");
  const old = new Map([...list.children].map((element) => [element.dataset.id + element.dataset.url, element]));
  const newest = withPicture().slice(0, beside);
  list.replaceChildren(...newest.map((item) => old.get(item.id + item.imageUrl) ?? make("li", { dataset: { id: item.id, url: item.imageUrl } }, shot(item, "17vw", true))));
  byId("nothing").hidden = newest.length > 0;
  const slideShown = byId("show").dataset.id;
  if (slideShown && !photos.has(slideShown)) {
    delete byId("show").dataset.id;
    byId("show").replaceChildren();
    slide();
  }
}

const load = oneAtATime(async () => {
  const journal = photos.beginReading();
  const answer = await request("/api/feed?limit=200").catch(() => null);
  if (!answer) return photos.forget(journal);
  photos.replace(answer.feed, journal);
  showNewest();
  if (!byId("show").dataset.id) slide();
});

/** Reads the winners. A wall that is switched on later only labels them; one that is on announces what is new. */
const readWinners = oneAtATime(async () => {
  const answers = await Promise.all([request("/api/winners"), request("/categories.json")]).catch(() => null);
  if (!answers) return;
  const [{ winners }, categories] = answers;
  labels = new Map(categories.flatMap((c) => (winners[c.id] ?? []).map((winner, at) => [winner.id, `${c.name}: ${placeName(at)}`])));
  const changed = known ? changedCategories(known, winners) : new Set();
  const same = JSON.stringify(known) === JSON.stringify(winners);
  known = winners;
  if (same) return;
  running.abort();
  running = new AbortController();
  announce(categories.filter((c) => changed.has(c.id)), winners, running.signal);
});

async function announce(categories, winners, signal) {
  const ceremony = byId("ceremony");
  for (const category of categories) {
    const one = stage(category, winners[category.id], true);
    ceremony.replaceChildren(one.element);
    ceremony.hidden = false;
    await reveal(one, signal);
    await rest(stageFor, signal);
    if (signal.aborted) return;
  }
  ceremony.hidden = true;
  ceremony.replaceChildren();
}

/** Fills the screen, and keeps it awake where the browser can; both are allowed only in answer to a click or a key. */
async function fillScreen() {
  if (document.fullscreenElement) return document.exitFullscreen();
  await document.documentElement.requestFullscreen?.();
  await stayAwake();
}

async function stayAwake() {
  screen = await navigator.wakeLock?.request("screen");
}

addEventListener("dblclick", () => fillScreen().catch(() => {}));
addEventListener("keydown", (event) => { if (event.key === "f" || event.key === "F") fillScreen().catch(() => {}); });
// The browser takes the lock back whenever the page is hidden.
document.addEventListener("visibilitychange", () => { if (!document.hidden && screen) stayAwake().catch(() => {}); });
byId("code").src = "/api/join.svg";
request("/api/join").then(({ url }) => { byId("address").textContent = url; }).catch(() => {});
await Promise.all([load(), readWinners()]);
setInterval(() => { if (!document.hidden) slide(); }, slideEvery);
follow({
  sign: byId("state"),
  onResync: () => { load(); readWinners(); },
  onEvent(event, payload) {
    if (event === "winnersUpdated") readWinners();
    else if (event === "submissionRemoved") photos.remove(payload.id);
    else if (event === "submissionUpdated") photos.put(payload);
    else if (event === "newSubmission" && photos.put(payload) && payload.imageUrl) {
      next = 1;
      show(payload);
    }
    showNewest();
  },
});
