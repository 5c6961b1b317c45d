// The admin page: sign in, judge, pick, publish.
import { newKey, oneAtATime, request } from "/js/api.js";
import { categoryId } from "/js/category-id.js";
import { byId, make } from "/js/dom.js";
import { EventDesk } from "/js/event-desk.js";
import { EntryList } from "/js/entry-list.js";
import { follow } from "/js/follow.js";
import { PickList } from "/js/pick-list.js";
import { StageDesk } from "/js/stage-desk.js";

let submissions = {}; // by category, newest first
let categories = [];
let picks = {}; // by category, ids in order
let limit = 2;
let unsaved = false; // picks differ from what is published
let following = false;
let cost = 0; // how long reading everything took last, in milliseconds
let counted = ""; // how many entries there were, and how many of them waited
let shown = ""; // the answers that the page shows
let categoriesShown = ""; // the categories that have fields
let switching = 0; // changes of the box for approval that the server has not answered
let saving = Promise.resolve(); // settles when the categories are saved
const list = new EntryList(byId("entries"), { pick, change, remove });
const podium = new PickList(byId("picks"), byId("announcer"), { changed: picked, dropped: place });

const stage = new StageDesk({ attempt, say, picks: () => picks, prepared() { unsaved = false; showPicks(); } });

const eventDesk = new EventDesk({ attempt, say });

function say(sentence, undo) {
  document.querySelector(".toast")?.remove();
  const toast = make("div", { class: "toast" }, make("span", {}, sentence),
    undo ? make("button", { on: { click: () => { toast.remove(); undo(); } } }, "Undo") : null);
  document.body.append(toast);
  byId("announcer").textContent = sentence; // what is new in the page is not read aloud everywhere
  setTimeout(() => toast.remove(), 15_000);
}

function refused(refusal) {
  if (refusal.status === 401) signedOut();
  else say(refusal.message);
}

// Runs a request and shows what went wrong.
async function attempt(work) {
  try {
    return await work();
  } catch (refusal) {
    refused(refusal);
    return null;
  }
}

function signedOut() {
  byId("desk").hidden = byId("links").hidden = byId("state").hidden = true;
  byId("signin").hidden = false;
  byId("password").focus();
}

async function signedIn() {
  byId("signin").hidden = true;
  byId("desk").hidden = byId("links").hidden = byId("state").hidden = false;
  await load();
  if (following) return;
  following = true;
  let due = null; // the next reading, where there is one to come
  setInterval(lookForWaiting, 3000);
  follow({
    sign: byId("state"),
    onResync: resync,
    // The list comes whole: the longer it takes, the longer the pause before the next.
    onEvent: (event) => event === "revealUpdated" ? stage.load() : due ??= new Promise((resolve) => setTimeout(resolve, Math.max(300, 4 * cost))).then(() => { due = null; return resync(); }),
  });
}

/** Looks for photos that wait: they are announced to nobody before somebody approved them. */
const lookForWaiting = oneAtATime(async () => {
  if (document.hidden || !byId("moderation").checked || byId("desk").hidden) return;
  const figures = await request("/api/dashboard").catch(() => null);
  if (!figures) return;
  const now = `${figures.submissions.total} ${figures.submissions.waiting}`;
  if (now !== counted && (await load()) === null) return; // it is still to be read
  counted = now;
});

/** Reads everything anew, where somebody is signed in, and rejects where the server can't be reached. */
async function resync() {
  if (byId("desk").hidden) return;
  try {
    await read();
  } catch (refusal) {
    refused(refusal);
    if (refusal.status !== 401) throw refusal;
  }
}

const saveModeration = oneAtATime(() => attempt(() => request("/api/settings", { method: "POST", body: { moderation: byId("moderation").checked } })));

const load = () => attempt(read);

const read = oneAtATime(async () => {
  const began = performance.now();
  const answers = await Promise.all([request("/api/submissions"), request("/api/contest"), request("/api/winners"), request("/api/settings"), request("/api/reveal/prepared")]);
  // Redrawing what is the same would take a button from under somebody's finger.
  const now = JSON.stringify(answers);
  if (now === shown) return;
  shown = now;
  submissions = answers[0].submissions;
  categories = answers[1].categories;
  limit = answers[1].winnersLimit;
  // What is prepared for the stage is picked, though nobody else knows yet.
  const staged = answers[4].reveal?.state === "done" ? {} : answers[4].reveal?.winners ?? {};
  const published = (c) => staged[c.id] ?? (answers[2].winners[c.id] ?? []).map((w) => w.id);
  const there = (c, ids) => ids.filter((id) => submissions[c.id]?.some((one) => one.id === id && one.status === "approved"));
  picks = Object.fromEntries(categories.map((c) => [c.id, unsaved && picks[c.id] ? there(c, picks[c.id]) : published(c)]));
  if (!switching) byId("moderation").checked = answers[3].settings.moderation;
  eventDesk.show(answers[3].event);
  showAll();
  stage.load();
  cost = performance.now() - began;
});

function showAll() {
  showEntries();
  showPicks();
  showCategories();
}

function matches(entry) {
  const text = byId("search").value.trim().toLowerCase();
  const status = byId("filter").value;
  if (status && entry.status !== status) return false;
  return !text || [entry.caption, entry.name, entry.phone].some((field) => field.toLowerCase().includes(text));
}

function showEntries(fromStart = false) {
  list.show(categories, submissions, matches, (entry) => picks[entry.category]?.includes(entry.id), fromStart);
}

function showPicks() {
  podium.show(categories, picks, (category, id) => submissions[category]?.find((one) => one.id === id) ?? { id, caption: id });
  byId("pending").hidden = !unsaved;
}

function picked(category, ids) {
  picks[category] = ids;
  unsaved = true;
  showEntries();
  showPicks();
}

/** Picks an entry, or takes the pick back. */
function pick(entry) {
  const chosen = picks[entry.category];
  if (chosen.includes(entry.id)) picked(entry.category, chosen.filter((id) => id !== entry.id));
  else place(entry.id, chosen.length);
}

/** Puts an entry on a place of its category. */
function place(id, at) {
  const entry = Object.values(submissions).flat().find((one) => one.id === id);
  const chosen = picks[entry?.category]?.filter((one) => one !== id);
  if (!chosen || entry.status !== "approved") return;
  if (chosen.length >= limit) return say(`A category has ${limit} winners at most. Unpick one first.`);
  chosen.splice(at, 0, id);
  picked(entry.category, chosen);
}

async function change(entry, verb) {
  if (!await attempt(() => request(`/api/submissions/${entry.id}/${verb}`, { method: "POST", body: {} }))) return;
  say(verb === "hide" ? "Hidden." : "Approved.", () => change(entry, verb === "hide" ? "approve" : "hide"));
  load();
}

async function remove(entry) {
  if (!confirm("Delete this entry and its photo for good?")) return;
  if (await attempt(() => request(`/api/submissions/${entry.id}`, { method: "DELETE" }))) load();
}

// A second click meanwhile or soon after finds nothing left to publish, and leaves the way back that the first one offers.
const publish = oneAtATime(async () => {
  const before = await attempt(() => request("/api/winners"));
  if (!before) return;
  const old = Object.fromEntries(Object.entries(before.winners).map(([id, list]) => [id, list.map((w) => w.id)]));
  const save = (winners) => attempt(() => request("/api/save-winners", { method: "POST", body: { winners }, headers: { "Idempotency-Key": newKey() } }));
  const same = (one, other) => categories.every(({ id }) => String(one[id] ?? []) === String(other[id] ?? []));
  const sent = { ...picks }; // who waits for the answer may go on picking
  if (!same(sent, old) && !await save(sent)) return;
  unsaved = !same(picks, sent);
  showPicks();
  if (same(sent, old)) return;
  say("The winners are published.", async () => {
    if (!await save(old)) return;
    unsaved = false;
    shown = "";
    say("As it was before.");
    load();
  });
});

function showCategories() {
  // Photos arrive while somebody types a name; the field has to stay.
  const now = JSON.stringify(categories);
  if (now === categoriesShown) return;
  categoriesShown = now;
  const list = byId("categories");
  const used = [...list.querySelectorAll("input, button")].indexOf(document.activeElement);
  list.replaceChildren(...categories.map((category, i) => make("div", { class: "row" },
    make("input", { class: "grow", type: "text", value: category.name, maxlength: "100", "aria-label": `Name of category ${category.id}`, on: { change: (e) => renameCategory(category.id, e.target.value.trim()) } }),
    make("button", { class: "danger", "aria-label": `Remove category ${category.name}`, on: { click: (e) => dropCategory(e, category.id, i) } }, "Remove"))));
  if (used >= 0) list.querySelectorAll("input, button")[used]?.focus();
}

// The list is saved whole. Changes wait for each other, and each is made to the list as it is by then.
function saveCategories(change) {
  saving = saving.then(async () => {
    if (await attempt(async () => request("/api/categories", { method: "POST", body: { categories: change(await request("/categories.json")) } }))) return void load();
    categoriesShown = ""; // the fields say what was refused
    showCategories();
  });
}

function renameCategory(id, name) {
  saveCategories((list) => list.map((c) => (c.id === id ? { ...c, name: name || c.name } : c)));
}

function dropCategory(event, id, at) {
  if (event.detail > 1) return; // the second of a double click, which may be on the row below: that has moved up
  event.currentTarget.disabled = true;
  let dropped = [];
  saveCategories((list) => {
    dropped = list.filter((c) => c.id === id);
    return list.filter((c) => c.id !== id);
  });
  say("Removed. Its photos are kept.", () => saveCategories((list) => (
    list.some((c) => c.id === id) ? list : [...list.slice(0, at), ...dropped, ...list.slice(at)])));
}

function addCategory(event) {
  event.preventDefault();
  const name = byId("newCategory").value.trim();
  if (!name) return;
  byId("newCategory").value = "";
  saveCategories((list) => [...list, { id: categoryId(name, list.map(({ id }) => id)), name }]);
}

byId("signin").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("refusal").hidden = true;
  try {
    await request("/api/login", { method: "POST", body: { password: byId("password").value } });
    byId("password").value = "";
    signedIn();
  } catch (refusal) {
    byId("refusal").textContent = refusal.status === 401 ? "That password is wrong." : refusal.message;
    byId("refusal").hidden = false;
  }
});
byId("publish").addEventListener("click", publish);
byId("search").addEventListener("input", () => showEntries(true));
byId("filter").addEventListener("change", () => showEntries(true));
byId("addCategory").addEventListener("submit", addCategory);
byId("moderation").addEventListener("change", async () => {
  switching++;
  await saveModeration();
  switching--;
  shown = ""; // the box may say what the server did not take
  load();
});
byId("forget").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!confirm("Delete every photo sent with this number, for good?")) return;
  const answer = await attempt(() => request("/api/submissions/delete-by-phone", { method: "POST", body: { phone: byId("forgetPhone").value } }));
  if (answer) { say(`${answer.deleted} deleted.`); load(); }
});
byId("signout").addEventListener("click", async () => { if (await attempt(() => request("/api/logout", { method: "POST", body: {} }))) signedOut(); });
byId("signoutAll").addEventListener("click", async () => { if (await attempt(() => request("/api/logout-everywhere", { method: "POST", body: {} }))) signedOut(); });

const session = await request("/api/session").catch(() => ({ signedIn: false }));
if (session.signedIn) signedIn();
else signedOut();
