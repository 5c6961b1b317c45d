// The page guests open: their own photos on the way, and the wall.
import { changesOf, oneAtATime, request } from "./api.js";
import { showConnection } from "./connection-sign.js";
import { byId, make } from "./dom.js";
import { FeedView } from "./feed-view.js";
import { offerLanguages } from "./language.js";
import { LargePhoto } from "./large-photo.js";
import { Live } from "./live.js";
import { MyPhotos } from "./my-photos.js";
import { isOpen, timesInWords } from "./opening.js";
import { OutboxStore } from "./outbox-store.js";
import { showOutbox, wayOf } from "./outbox-view.js";
import { Outbox } from "./outbox.js";
import { PhotoSet } from "./photo-set.js";
import { placeName, placesOf, readReveal } from "./reveal.js";
import { photoOf } from "./share.js";
import { SubmitSheet } from "./submit-sheet.js";
import { tell } from "./toast.js";
import { say } from "./words.js";

const photos = new PhotoSet();
const live = new Live();
const outbox = new Outbox(new OutboxStore());
const sheet = new SubmitSheet((what) => outbox.add(what));
const large = new LargePhoto(() => photos.newestFirst(chosen));
const view = new FeedView(byId("prints"), byId("sentinel"), (id) => large.open(id));
const mine = new MyPhotos(byId("kept"), () => {
  // Of a photo that was hidden before this page saw it on the wall, the outbox would never hear.
  const hiddenOnes = new Set(mine.photos.filter(({ status }) => status === "hidden").map(({ id }) => id));
  for (const { key, id, state } of [...outbox.items.values()]) if (state === "saved" && hiddenOnes.has(id)) outbox.discard(key);
  byId("mine").hidden = byId("kept").hidden && outbox.items.size === 0;
});
const readFeed = changesOf("/api/feed");
let categories = [];
let times = { opens: 0, closes: 0 }; // when photos are taken
let linked = photoOf(location.hash); // id of a photo that the address names, until it was shown
let chosen = linked ? "" : categoryNamed(location.hash.slice(1));
let announced = false; // whether there are winners, as the feed has it
let heard = 0; // how many events brought categories or winners
let places = new Map(); // places of those who won, by id, as far as they were told
let loaded = false;
let progressTold = ""; // what the toast says of the sending
let hidden = new Set(); // arrived while the guest was further down

/** The category that an address names; anybody can write an address, also one that is none. */
function categoryNamed(hash) {
  try {
    return decodeURIComponent(hash);
  } catch {
    return "";
  }
}

/** Draws the wall. fresh are ids that arrived just now. */
function show(fresh = [], reset = false) {
  const arrived = [...fresh].filter((id) => !chosen || photos.get(id)?.category === chosen);
  if (arrived.length && byId("photos").getBoundingClientRect().top < -200 && !reset) for (const id of arrived) hidden.add(id);
  if (reset || byId("photos").getBoundingClientRect().top >= -200) hidden = new Set();
  for (const id of hidden) if (!photos.has(id)) hidden.delete(id);
  const shown = photos.newestFirst(chosen).filter((photo) => !hidden.has(photo.id));
  view.show(shown, { fresh: arrived, reset, places, names: new Map(categories.map(({ id, name }) => [id, name])) });
  byId("empty").hidden = !loaded || shown.length > 0;
  if (linked && photos.has(linked)) {
    large.open(linked);
    linked = "";
  }
  byId("fresh").hidden = hidden.size === 0;
  byId("fresh").textContent = say("newPhotos", { n: hidden.size });
  large.refresh();
  outbox.seen((id) => photos.has(id));
}

function showCategories() {
  if (chosen && !categories.some(({ id }) => id === chosen)) chosen = "";
  const chip = (id, name) => make("button", { class: "chip", type: "button", dataset: { id }, "aria-pressed": String(id === chosen), dir: "auto", on: { click: () => choose(id) } }, name);
  byId("categories").replaceChildren(...(categories.length > 1 ? [chip("", say("all")), ...categories.map(({ id, name }) => chip(id, name))] : []));
  byId("categories").hidden = categories.length < 2;
  sheet.offer(categories, chosen);
}

function choose(id) {
  chosen = id;
  history.replaceState(null, "", id ? `#${encodeURIComponent(id)}` : location.pathname + location.search);
  for (const chip of byId("categories").children) chip.setAttribute("aria-pressed", String(chip.dataset.id === id));
  if (id) sheet.choose(id);
  show([], true);
}

function setCategories(list) {
  // Making the same chips anew would take the keyboard away from whoever is on one.
  if (JSON.stringify(list) === JSON.stringify(categories)) return;
  categories = list;
  showCategories();
  show();
}

/** @param {object} event what the organiser says of the event */
function setEvent(event) {
  times = event;
  sheet.ask(event);
  byId("save-all").hidden = !event.albumForGuests;
  showTimes();
}

/** Counts down to when photos are taken, and to when they no longer are. */
function showTimes() {
  const now = Date.now();
  const words = timesInWords(times, now);
  if (byId("times").textContent !== words) byId("times").textContent = words;
  byId("times").hidden = !words;
  document.body.classList.toggle("closed", !isOpen(times, now));
}

async function readPlaces() {
  const [{ winners }, reveal] = await Promise.all([announced ? request("/api/winners") : { winners: {} }, readReveal()]);
  return placesOf(winners, reveal);
}

/** Reads the feed whole; what it holds and the page does not is new, what it lacks is gone. */
async function loadFeed() {
  const journal = photos.beginReading();
  try {
    const body = await readFeed();
    if (!body) return photos.forget(journal);
    const fresh = photos.replace(body.feed, journal);
    show(loaded ? fresh.map((photo) => photo.id) : [], !loaded);
    loaded = true;
    announced = body.winnersAvailable;
    show();
  } catch (failure) {
    photos.forget(journal);
    throw failure;
  }
}

/** Shows who has won, as far as it was told, and says who was told of last. */
const showPlaces = oneAtATime(async () => {
  try {
    const before = places;
    places = await readPlaces();
    mine.setPlaces(places);
    const [id, place] = [...places].findLast(([id, place]) => before.get(id) !== place) ?? [];
    if (id) byId("announcer").textContent = say("actionOf", { action: placeName(place), name: photos.get(id)?.caption || say("photoWithoutCaption") });
    show();
  } catch {
    live.unreachable();
  }
});

/** Reads everything that may have changed unheard. */
const reload = oneAtATime(async () => {
  const before = heard;
  try {
    const [list, { event }] = await Promise.all([request("/categories.json"), request("/api/contest"), loadFeed(), mine.read()]);
    const won = await readPlaces();
    // An event that came meanwhile is newer than these answers.
    if (heard !== before) return void reload();
    setCategories(list);
    setEvent(event);
    places = won;
    mine.setPlaces(won);
    live.reached();
    show();
  } catch {
    live.unreachable();
  }
});

function received({ detail: { name, payload } }) {
  switch (name) {
    case "newSubmission":
      return show(photos.put(payload) ? [payload.id] : []);
    case "submissionUpdated":
      photos.put(payload);
      readMine(payload.id);
      return show();
    case "submissionRemoved":
      photos.remove(payload.id);
      readMine(payload.id);
      return show();
    case "submissionsRemoved": // many at once; without ids the feed says what is left
      if (!payload.ids) return void reload();
      for (const id of payload.ids) photos.remove(id);
      return show();
    case "winnersUpdated":
    case "revealUpdated":
      if (payload.winners) announced = Object.values(payload.winners).some((list) => list.length);
      heard++;
      return showPlaces();
    case "eventUpdated":
      return void reload();
    case "categoriesUpdated": {
      heard++;
      const ids = (list) => list.map(({ id }) => id).sort().join();
      if (ids(payload.categories) !== ids(categories)) reload(); // photos come and go with their category
      return setCategories(payload.categories);
    }
  }
}

/** Looks what became of a photo, where it is one of this phone's: of those that wait nobody is told. */
function readMine(id) {
  if (mine.photos.some((photo) => photo.id === id || photo.status !== "approved")) mine.read().catch(() => {});
}

/** Says how the sending goes to whoever has scrolled away from the list that says it. */
function showProgress() {
  mine.leaveOut([...outbox.items.values()].map(({ id }) => id).filter(Boolean));
  const under = [...outbox.items.values()].filter(({ state }) => state === "waiting");
  const last = [...outbox.items.values()].at(-1);
  const state = under.length > 1 ? say("sendingMany", { n: under.length }) : last ? wayOf(under[0] ?? last) : "";
  const away = byId("mine").getBoundingClientRect().bottom < 0;
  if (away && state && state !== progressTold) tell(state, under.length > 0);
  else if (!away && progressTold) tell("");
  progressTold = away ? state : "";
}

/** Sends a refused photo again; where its category is gone, or more is asked than it says, the guest says that first. */
function sendAgain(item) {
  if (sheet.offers(item.category) && sheet.asksNoMoreThan(item)) return outbox.again(item.key);
  sheet.reopen(item, () => outbox.discard(item.key));
}

/** Photos also come by drop and by paste, where there is a keyboard. */
function acceptDrops() {
  const pictures = (list) => [...(list ?? [])].filter((file) => file.type.startsWith("image/"));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    sheet.open(pictures(event.dataTransfer?.files));
  });
  addEventListener("paste", (event) => sheet.open(pictures(event.clipboardData?.files)));
}

for (const id of ["camera", "library"]) {
  byId(id).addEventListener("change", (event) => {
    sheet.open([...event.target.files]);
    event.target.value = "";
  });
}
byId("fresh").addEventListener("click", () => {
  show([], true);
  byId("photos").scrollIntoView();
});
addEventListener("scroll", () => { if (hidden.size && byId("photos").getBoundingClientRect().top >= -200) show(); }, { passive: true });
live.addEventListener("event", received);
live.addEventListener("gap", reload);
live.addEventListener("state", ({ detail }) => { if (detail.state === "live" || detail.state === "polling") outbox.nudge(); });
outbox.addEventListener("change", showProgress);
outbox.addEventListener("saved", () => outbox.seen((id) => photos.has(id)));
setInterval(showTimes, 1000);
showConnection(byId("connection"), live);
showOutbox(byId("mine"), byId("outbox"), byId("announcer"), outbox, sendAgain);
acceptDrops();
offerLanguages();
reload();
outbox.restore();
live.start();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
