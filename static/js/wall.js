// The big screen: a slideshow of all photos, the newest beside it, and the winners when they are announced.
import { request } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { shot } from "/js/shot.js";

const slideEvery = 7000;
const winnersFor = 60_000;
const beside = 12;
let photos = []; // newest first
let next = 0;
let ceremony = 0; // until when the winners are shown

function show(item, label) {
  const caption = [label, item.caption].filter(Boolean).join(" · ");
  byId("show").replaceChildren(shot(item, "70vw", true) ?? "", make("p", { hidden: !caption }, caption));
}

function slide() {
  if (Date.now() < ceremony || photos.length === 0) return;
  next %= photos.length;
  show(photos[next++]);
}

function showNewest() {
  byId("newest").replaceChildren(...photos.slice(0, beside).map((item) => make("li", { dataset: { id: item.id } }, shot(item, "17vw", true))));
}

async function load() {
  const answer = await request("/api/feed?limit=200").catch(() => null);
  if (!answer) return;
  photos = Object.values(answer.feed).flat().filter((item) => item.imageUrl).sort((a, b) => b.createdAt - a.createdAt);
  showNewest();
  slide();
}

async function announce() {
  const answers = await Promise.all([request("/api/winners"), request("/categories.json")]).catch(() => null);
  if (!answers) return;
  const [{ winners }, categories] = answers;
  const all = categories.flatMap((c) => (winners[c.id] ?? []).map((winner, i) => ({ winner, label: `${c.name}: ${i === 0 ? "winner" : `place ${i + 1}`}` })));
  if (all.length === 0) return;
  ceremony = Date.now() + winnersFor;
  for (let i = 0; Date.now() < ceremony; i = (i + 1) % all.length) {
    show(all[i].winner, all[i].label);
    await new Promise((resolve) => setTimeout(resolve, slideEvery));
  }
}

/** Fills the screen, and keeps it awake where the browser can; both are allowed only in answer to a click or a key. */
async function fillScreen() {
  if (document.fullscreenElement) return document.exitFullscreen();
  await document.documentElement.requestFullscreen?.();
  await navigator.wakeLock?.request("screen");
}

addEventListener("dblclick", () => fillScreen().catch(() => {}));
addEventListener("keydown", (event) => { if (event.key === "f" || event.key === "F") fillScreen().catch(() => {}); });
byId("code").src = "/api/join.svg";
request("/api/join").then(({ url }) => { byId("address").textContent = url; }).catch(() => {});
await load();
setInterval(slide, slideEvery);
follow({
  sign: byId("state"),
  onResync: load,
  onEvent(event, payload) {
    if (event === "winnersUpdated") announce();
    else if (event === "submissionRemoved") photos = photos.filter((item) => item.id !== payload.id);
    else if (event === "submissionUpdated") photos = photos.map((item) => (item.id === payload.id ? payload : item));
    else if (event === "newSubmission" && payload.imageUrl && !photos.some((item) => item.id === payload.id)) {
      photos.unshift(payload);
      next = 1;
      if (Date.now() >= ceremony) show(payload);
    }
    if (event !== "winnersUpdated") showNewest();
  },
});
