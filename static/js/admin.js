// The admin page: sign in, judge, pick, publish.
import { newKey, oneAtATime, request } from "/js/api.js";
import { categoryId } from "/js/category-id.js";
import { byId, make } from "/js/dom.js";
import { EventDesk } from "/js/event-desk.js";
import { EntryList } from "/js/entry-list.js";
import { follow } from "/js/follow.js";
import { inPortions } from "/js/judgement.js";
import { Judging } from "/js/judging.js";
import { offerLanguages } from "/js/language.js";
import { PickList } from "/js/pick-list.js";
import { StageDesk } from "/js/stage-desk.js";
import { say } from "/js/words.js";

let submissions = {}; // by category, newest first
let categories = [];
let picks = {}; // by category, ids in order
let limit = 2;
let unsaved = false; // picks differ from what is published
let base = {}; // the winners by category that the picks were made from: others that are published meanwhile are a conflict
let ours = 0; // how often this page has changed what is published
let based = 0; // how often it had when base was read
let changing = 0; // such changes that the server has not answered
let theirs = null; // the winners that somebody else published meanwhile
let following = false;
let cost = 0; // how long reading everything took last, in milliseconds
let counted = ""; // how many entries there were, and how many of them waited
let shown = ""; // the answers that the page shows
let categoriesShown = ""; // the categories that have fields
let dropped = []; // the categories that were removed here, and where they were
let switching = 0; // changes of the box for approval that the server has not answered
let saving = Promise.resolve(); // settles when the categories are saved
let judged = Promise.resolve(); // settles when the server knows of all that was judged
const judgements = new Map(); // the statuses by id that the server may not know of yet
const undos = []; // what takes back what was done, the latest last
const judging = new Judging({ pick, judge, move, undo: () => undos.pop()?.() });
const list = new EntryList(byId("entries"), { pick, judge, remove, open: (entry) => judging.open(entry) });
const podium = new PickList(byId("picks"), byId("announcer"), { changed: picked, dropped: place });

const stage = new StageDesk({ attempt, tell, picks: () => picks, prepared() { unsaved = false; theirs = null; showPicks(); showConflict(); } });

const eventDesk = new EventDesk({ attempt, tell });

function tell(sentence, undo) {
  document.querySelector(".toast")?.remove();
  const back = undo && (() => {
    toast.remove();
    if (undos.includes(back)) undos.splice(undos.indexOf(back), 1);
    undo();
  });
  if (back) undos.push(back);
  if (undos.length > 100) undos.shift();
  const toast = make("div", { class: "toast" }, make("span", {}, sentence), back ? make("button", { on: { click: back } }, say("undo")) : null);
  (document.querySelector("dialog[open]") ?? document.body).append(toast); // nothing is seen above a dialog but what is in it
  byId("announcer").textContent = sentence; // what is new in the page is not read aloud everywhere
  setTimeout(() => toast.remove(), 15_000);
}

function refused(refusal) {
  if (refusal.status === 401) signedOut();
  else tell(refusal.message);
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
  byId("judge").close();
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
  const own = ours;
  const answers = await Promise.all([request("/api/submissions"), request("/api/contest"), request("/api/winners"), request("/api/settings"), request("/api/reveal/prepared")]);
  if (own !== ours) return; // they may be from before what was done here meanwhile, and are being read again
  // Redrawing what is the same would take a button from under somebody's finger.
  const now = JSON.stringify(answers);
  if (now === shown) return;
  shown = now;
  submissions = answers[0].submissions;
  for (const entry of everyEntry()) entry.status = judgements.get(entry.id) ?? entry.status;
  categories = answers[1].categories;
  limit = answers[1].winnersLimit;
  // What is prepared for the stage is picked, though nobody else knows yet.
  const staged = answers[4].reveal?.state === "done" ? {} : answers[4].reveal?.winners ?? {};
  const won = idsOf(answers[2].winners);
  const published = (c) => staged[c.id] ?? won[c.id] ?? [];
  if (!unsaved || own !== based) base = won;
  based = own;
  const there = (c, ids) => ids.filter((id) => submissions[c.id]?.some((one) => one.id === id && one.status === "approved"));
  picks = Object.fromEntries(categories.map((c) => [c.id, unsaved && picks[c.id] ? there(c, picks[c.id]) : published(c)]));
  theirs = unsaved && !changing && based === ours && !sameWinners(base, won) && !sameWinners(picks, won) ? won : null;
  if (!switching) byId("moderation").checked = answers[3].settings.moderation;
  eventDesk.show(answers[3].event);
  showAll();
  stage.load();
  cost = performance.now() - began;
});

const everyEntry = () => Object.values(submissions).flat();

/** The ids of winners that are whole, by category. */
const idsOf = (winners) => Object.fromEntries(Object.entries(winners).map(([id, list]) => [id, list.map((one) => one.id)]));

const sameWinners = (one, other) => categories.every(({ id }) => String(one[id] ?? []) === String(other[id] ?? []));

function showAll() {
  showEntries();
  showPicks();
  showConflict();
  showCategories();
}

function matches(entry) {
  const text = byId("search").value.trim().toLowerCase();
  const status = byId("filter").value;
  if (status && entry.status !== status) return false;
  return !text || [entry.caption, entry.name, entry.phone].some((field) => field.toLowerCase().includes(text));
}

function showEntries(fromStart = false) {
  const isPicked = (entry) => Boolean(picks[entry.category]?.includes(entry.id));
  list.show(categories, submissions, matches, isPicked, fromStart);
  judging.show(categories, submissions, isPicked);
  const waiting = everyEntry().filter(({ status }) => status === "waiting").length;
  byId("waiting").textContent = waiting ? say("waitingCount", { n: waiting }) : "";
}

function showPicks() {
  podium.show(categories, picks, (category, id) => submissions[category]?.find((one) => one.id === id) ?? { id, caption: id });
  byId("pending").hidden = !unsaved;
}

function picked(category, ids) {
  const before = picks[category];
  picks[category] = ids;
  unsaved = true;
  showEntries();
  showPicks();
  if (before.length !== ids.length) tell(ids.length > before.length ? say("picked") : say("unpicked"), () => picked(category, before.filter((id) => canWin(category, id))));
}

const canWin = (category, id) => submissions[category]?.some((one) => one.id === id && one.status === "approved");

/** Picks an entry, or takes the pick back. */
function pick(entry) {
  const chosen = picks[entry.category];
  if (chosen.includes(entry.id)) picked(entry.category, chosen.filter((id) => id !== entry.id));
  else place(entry.id, chosen.length);
}

/** Puts an entry on a place of its category. */
function place(id, at) {
  const entry = everyEntry().find((one) => one.id === id);
  const chosen = picks[entry?.category]?.filter((one) => one !== id);
  if (!chosen || entry.status !== "approved") return;
  if (chosen.length >= limit) return tell(say("mostWinners", { n: limit }));
  chosen.splice(at, 0, id);
  picked(entry.category, chosen);
}

/** Changes who sees entries: the page shows it at once, the server is told one after the other. */
function judge(entries, status) {
  const wanted = Object.fromEntries(entries.filter((entry) => entry.status !== status).map(({ id }) => [id, status]));
  const count = Object.keys(wanted).length;
  if (!count) return;
  const before = setStatuses(wanted);
  const lost = status === "approved" ? [] : everyEntry().filter(({ id }) => id in wanted).map((entry) => ({ ...entry, at: picks[entry.category]?.indexOf(entry.id) ?? -1 }));
  for (const { id, category, at } of lost) if (at >= 0) picks[category] = picks[category].filter((one) => one !== id);
  showAll();
  const one = status === "approved" ? say("approvedSaid") : say("hiddenSaid");
  const many = status === "approved" ? say("photosApproved", { n: count }) : say("photosHidden", { n: count });
  tell(count > 1 ? many : one, async () => {
    await setStatuses(await before);
    if (!unsaved) return;
    for (const { id, at } of lost.filter((one) => one.at >= 0).sort((a, b) => a.at - b.at)) place(id, at);
  });
}

/** Sends statuses by id, and resolves to those that the entries had. */
function setStatuses(statuses) {
  for (const [id, status] of Object.entries(statuses)) judgements.set(id, status);
  for (const entry of everyEntry()) entry.status = statuses[entry.id] ?? entry.status;
  showEntries();
  const before = judged.then(async () => {
    let all = {};
    changing++;
    for (const portion of inPortions(statuses)) {
      const answer = await attempt(() => request("/api/submissions/statuses", { method: "POST", body: { statuses: portion } }));
      all = { ...all, ...answer?.before };
      if (!answer) break;
    }
    for (const [id, status] of Object.entries(statuses)) if (judgements.get(id) === status) judgements.delete(id);
    changing--;
    ours++;
    shown = ""; // the page may show what the server did not take
    load();
    return all;
  });
  judged = before;
  return before;
}

/** Puts an entry into another category. */
async function move(entry, category, place = 0) {
  const from = entry.category;
  changing++;
  const answer = await attempt(() => request(`/api/submissions/${entry.id}/move`, { method: "POST", body: { category, place } }));
  changing--;
  ours++;
  shown = "";
  await load();
  if (answer) tell(say("movedTo", { name: categories.find(({ id }) => id === category)?.name ?? category }), () => move(answer.entry, from, answer.place));
}

async function remove(entry) {
  if (!confirm(say("deleteEntrySure"))) return;
  if (await attempt(() => request(`/api/submissions/${entry.id}`, { method: "DELETE" }))) load();
}

// A second click meanwhile or soon after finds nothing left to publish, and leaves the way back that the first one offers.
const publish = oneAtATime(async () => {
  if (unsaved) document.querySelector(".toast")?.remove(); // what it would undo is being published
  await judged; // what is picked may have been approved just now
  if (based !== ours) await load();
  const before = await attempt(() => request("/api/winners"));
  if (!before) return;
  const old = idsOf(before.winners);
  const sent = { ...picks }; // who waits for the answer may go on picking
  const same = sameWinners(sent, old);
  if (same) base = old;
  const now = same ? old : await saveWinners(sent, base);
  if (!now) return;
  unsaved = !sameWinners(picks, sent);
  showPicks();
  if (same) return;
  tell(say("published"), async () => {
    picks = { ...picks, ...old };
    shown = "";
    if (await saveWinners(old, now)) {
      unsaved = false;
      tell(say("asBefore"));
    }
    load();
  });
});

/** Publishes winners in the place of others, and resolves to what is published then, or null: they are not the others any more. */
async function saveWinners(winners, others) {
  const before = Object.fromEntries(categories.map(({ id }) => [id, others[id] ?? []]));
  let conflict = false;
  changing++;
  const answer = await attempt(async () => {
    try {
      return await request("/api/save-winners", { method: "POST", body: { winners, before }, headers: { "Idempotency-Key": newKey() } });
    } catch (refusal) {
      conflict = refusal.status === 409;
      if (!conflict) throw refusal;
      return null;
    }
  });
  changing--;
  if (conflict) {
    const now = await attempt(() => request("/api/winners"));
    if (now) {
      unsaved = true;
      theirs = idsOf(now.winners);
      showAll();
    }
  }
  if (!answer) return null;
  ours++;
  load();
  base = Object.fromEntries(Object.entries(winners).map(([id, ids]) => [id, ids.filter((one) => !answer.ignored.includes(one))]));
  return base;
}

/** Shows both versions, where somebody else published in between. */
function showConflict() {
  byId("conflict").hidden = !theirs;
  byId("publish").hidden = Boolean(theirs);
  if (!theirs) return;
  const names = (ids) => ids.length ? ids.map((id) => make("li", { dir: "auto" }, everyEntry().find((one) => one.id === id)?.caption || say("noCaption"))) : [make("li", { class: "hint" }, say("nobody"))];
  const version = (title, ids) => make("div", {}, make("span", { class: "hint" }, title), make("ol", {}, ...names(ids)));
  byId("versions").replaceChildren(...categories.filter(({ id }) => String(theirs[id] ?? []) !== String(picks[id] ?? [])).map(({ id, name }) => (
    make("div", { class: "versions" }, make("h3", {}, name), version(say("theirs"), theirs[id] ?? []), version(say("mine"), picks[id] ?? [])))));
}

function takeTheirs() {
  const mine = picks;
  base = theirs;
  picks = { ...picks, ...theirs };
  unsaved = false;
  theirs = null;
  showAll();
  tell(say("theirsKept"), () => {
    picks = mine;
    unsaved = true;
    showAll();
  });
}

function publishMine() {
  base = theirs;
  theirs = null;
  showConflict();
  publish();
}

function showCategories() {
  // Photos arrive while somebody types a name; the field has to stay.
  const now = JSON.stringify(categories);
  if (now === categoriesShown) return;
  categoriesShown = now;
  const list = byId("categories");
  const used = [...list.querySelectorAll("input, button")].indexOf(document.activeElement);
  const rows = categories.map((category, i) => make("div", { class: "row" },
    make("input", { class: "grow", type: "text", value: category.name, maxlength: "100", "aria-label": say("categoryNamed", { id: category.id }), on: { change: (e) => renameCategory(category.id, e.target.value.trim()) } }),
    make("button", { class: "danger", disabled: categories.length === 1, title: categories.length === 1 ? say("lastStays") : null, "aria-label": say("removeCategory", { name: category.name }), on: { click: (e) => dropCategory(e, category, i) } }, say("remove"))));
  // A removed one keeps its row, so that what is under the pointer then brings it back.
  dropped = dropped.filter(({ id }) => !categories.some((one) => one.id === id));
  for (const one of [...dropped].sort((a, b) => a.at - b.at)) rows.splice(one.at, 0, goneRow(one));
  list.replaceChildren(...rows);
  showRemoved();
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

function dropCategory(event, { id, name }, at) {
  if (event.detail > 1) return; // the second of a double click
  event.currentTarget.disabled = true;
  const gone = { id, name, at };
  saveCategories((list) => {
    const others = list.filter((c) => c.id !== id);
    if (!others.length) return list; // another admin has removed the others meanwhile
    gone.name = list.find((c) => c.id === id)?.name ?? name;
    dropped = [...dropped.filter((one) => one.id !== id), gone];
    return others;
  });
  tell(say("removedKept"), () => bringBack(gone));
}

function bringBack({ id, name, at }) {
  saveCategories((list) => list.some((c) => c.id === id) ? list : [...list.slice(0, at), { id, name }, ...list.slice(at)]);
}

function goneRow(one) {
  return make("div", { class: "row gone" }, make("input", { class: "grow", type: "text", value: one.name, disabled: true, "aria-label": say("removedCategory", { id: one.id }) }),
    make("button", { "aria-label": say("bringBackCategory", { name: one.name }), on: { click: (event) => { if (event.detail < 2) bringBack(one); } } }, say("bringBack")));
}

/** Shows the categories that were removed before this page was opened, and have photos. */
const showRemoved = oneAtATime(async () => {
  const answer = await attempt(() => request("/api/categories/removed"));
  if (!answer) return;
  const others = answer.categories.filter(({ id }) => !dropped.some((one) => one.id === id));
  byId("removed").hidden = !others.length;
  byId("removedRows").replaceChildren(...others.map((one) => {
    const holds = [say("photosCount", { n: one.submissions }), one.winners ? say("winnersCount", { n: one.winners }) : ""].filter(Boolean).join(", ");
    return make("div", { class: "row" }, make("span", { class: "grow" }, `${one.name} (${holds})`),
      make("button", { "aria-label": say("bringBackCategory", { name: one.name }), on: { click: () => bringBack({ ...one, at: categories.length }) } }, say("bringBack")));
  }));
});

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
    byId("refusal").textContent = refusal.status === 401 ? say("wrongPassword") : refusal.message;
    byId("refusal").hidden = false;
  }
});
offerLanguages();
byId("publish").addEventListener("click", publish);
byId("publishMine").addEventListener("click", publishMine);
byId("takeTheirs").addEventListener("click", takeTheirs);
byId("openJudge").addEventListener("click", () => judging.open());
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
  if (!confirm(say("deletePhoneSure"))) return;
  const answer = await attempt(() => request("/api/submissions/delete-by-phone", { method: "POST", body: { phone: byId("forgetPhone").value } }));
  if (answer) { tell(say("deletedCount", { n: answer.deleted })); load(); }
});
byId("signout").addEventListener("click", async () => { if (await attempt(() => request("/api/logout", { method: "POST", body: {} }))) signedOut(); });
byId("signoutAll").addEventListener("click", async () => { if (await attempt(() => request("/api/logout-everywhere", { method: "POST", body: {} }))) signedOut(); });

const session = await request("/api/session").catch(() => ({ signedIn: false }));
if (session.signedIn) signedIn();
else signedOut();
