// The big screen: a slideshow of all photos, the newest beside it, and the winners when they are announced.
import { oneAtATime, request } from "/js/api.js";
import { changedCategories, rest, reveal, sameWinners, stage } from "/js/ceremony.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { PhotoSet } from "/js/photo-set.js";
import { Presentation } from "/js/presentation.js";
import { placeName, placesOf, readReveal } from "/js/reveal.js";
import { onKeys } from "/js/presenter-keys.js";
import { shot } from "/js/shot.js";
import { Slideshow } from "/js/slideshow.js";

const stageFor = 15_000;
const beside = 6; // as the style sheet has places: none is cut off
const fade = 1000; // as the style sheet has it, and some
const photos = new PhotoSet();
let known = null; // winners by category, null before they were read
let labels = new Map(); // what a photo won, by its id
let categories = [];
const coming = new Set(); // ids of categories whose winners are still to be revealed, in that order
let onStage = ""; // id of the category whose winners are shown
let running = new AbortController(); // ends the ceremony under way
let screen = null; // holds the lock that keeps the screen awake

const withPicture = () => photos.newestFirst().filter((item) => item.imageUrl);
const presentation = new Presentation(byId("presentation"));
const slideshow = new Slideshow({
  slides: () => withPicture().map((item) => ({ ...item, caption: [labels.get(item.id), item.caption].filter(Boolean).join(" · ") })),
  async prepare(slide) {
    const picture = shot(slide, "70vw", true);
    await picture.decode().catch(() => {});
    return picture;
  },
  draw(slide, picture) {
    // Upright photos don't fill a screen that lies on its side: the same one, blurred, does.
    const behind = make("img", { class: "behind", src: slide.images?.[0]?.url ?? slide.imageUrl, alt: "" });
    const before = [...byId("show").children];
    byId("show").append(make("div", { class: "slide", dataset: { id: slide.id } }, behind, picture, make("p", { hidden: !slide.caption, dir: "auto" }, make("span", {}, slide.caption))));
    // The old one stays below until the new one covers it.
    setTimeout(() => { for (const old of before) old.remove(); }, fade);
  },
  clear: () => byId("show").replaceChildren(),
});

function showNewest() {
  const list = byId("newest");
  const old = new Map([...list.children].map((element) => [element.dataset.id + element.dataset.url, element]));
  const newest = withPicture().slice(0, beside);
  const wanted = newest.map((item) => old.get(item.id + item.imageUrl) ?? make("li", { dataset: { id: item.id, url: item.imageUrl } }, shot(item, "17vw", true)));
  if (wanted.length !== list.children.length || wanted.some((element, at) => element !== list.children[at])) list.replaceChildren(...wanted);
  byId("nothing").hidden = newest.length > 0;
  slideshow.refresh();
}

const load = oneAtATime(async () => {
  const journal = photos.beginReading();
  try {
    const { feed } = await request("/api/feed?limit=200");
    photos.replace(feed, journal);
  } finally {
    photos.forget(journal);
  }
  showNewest();
});

/** Reads the winners. A wall that is switched on later only labels them; one that is on announces what is new. */
const readWinners = oneAtATime(async () => {
  const [{ winners }, list, presented] = await Promise.all([request("/api/winners"), request("/categories.json"), readReveal()]);
  categories = list;
  const places = placesOf(winners, presented);
  const names = new Map([...categories.flatMap((c) => (winners[c.id] ?? []).map(({ id }) => [id, c.name])), ...(presented?.told ?? []).flatMap((c) => c.places.map(({ id }) => [id, c.name]))]);
  labels = new Map([...places].map(([id, place]) => [id, `${names.get(id) ?? ""}: ${placeName(place)}`]));
  presentation.show(presented, known !== null);
  // What is presented is announced by the presentation.
  const changed = known && !presentation.on ? changedCategories(known, winners) : new Set();
  const same = known && sameWinners(known, winners);
  const stays = onStage && sameWinners({ [onStage]: known[onStage] ?? [] }, { [onStage]: winners[onStage] ?? [] });
  known = winners;
  for (const { id } of categories) if (changed.has(id)) coming.add(id);
  if (same || stays) return; // what is new waits for its turn
  running.abort();
  running = new AbortController();
  announce(running.signal);
});

/** Announces what is coming, one category after the other, with the winners that it has by then. */
async function announce(signal) {
  const ceremony = byId("ceremony");
  for (const id of coming) {
    const category = categories.find((one) => one.id === id);
    if (!category || !known[id]?.length) {
      coming.delete(id); // taken back
      continue;
    }
    const one = stage(category, known[id].map((winner, at) => ({ ...winner, place: at + 1 })), true);
    onStage = id;
    ceremony.replaceChildren(one.element);
    ceremony.hidden = false;
    await reveal(one, signal);
    if (signal.aborted) return;
    coming.delete(id);
    await rest(stageFor, signal);
    if (signal.aborted) return;
  }
  onStage = "";
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

onKeys();
addEventListener("dblclick", () => fillScreen().catch(() => {}));
addEventListener("keydown", (event) => { if (event.key === "f" || event.key === "F") fillScreen().catch(() => {}); });
// The browser takes the lock back whenever the page is hidden.
document.addEventListener("visibilitychange", () => { if (!document.hidden && screen) stayAwake().catch(() => {}); });
async function showTheWay() {
  if (byId("address").textContent) return;
  byId("address").textContent = (await request("/api/join")).url;
  byId("code").src = "/api/join.svg";
}

/** Shows photos as long and in the order that the organiser wants, and how to send some. */
async function readEvent() {
  const { event } = await request("/api/contest");
  slideshow.set({ seconds: event.wallSeconds, order: event.wallOrder });
  byId("join").classList.toggle("large", event.wallCode !== "small");
  byId("logo").hidden = !event.logo;
  if (event.logo) byId("logo").src = `/api/logo?v=${event.logo}`;
}

const readAll = () => Promise.all([load(), readWinners(), showTheWay(), readEvent()]);
await readAll().catch(() => {}); // connecting reads it again
follow({
  sign: byId("state"),
  onResync: readAll,
  onEvent(event, payload) {
    if (event === "winnersUpdated" || event === "revealUpdated") return readWinners();
    if (event === "eventUpdated") return readEvent();
    if (event === "categoriesUpdated") return readAll(); // photos come and go with their category
    if (event === "submissionsRemoved" && !payload.ids) return readAll(); // too many to name
    if (event === "submissionsRemoved") for (const id of payload.ids) photos.remove(id);
    else if (event === "submissionRemoved") photos.remove(payload.id);
    else if (event === "submissionUpdated") photos.put(payload);
    else if (event === "newSubmission") photos.put(payload);
    showNewest();
  },
});
