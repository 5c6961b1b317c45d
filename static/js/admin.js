// The admin page: sign in, judge, pick, publish.
import { request } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { follow } from "/js/follow.js";
import { shot } from "/js/shot.js";

let submissions = {}; // by category, newest first
let categories = [];
let picks = {}; // by category, ids in order
let limit = 2;
let unsaved = false; // picks differ from what is published
let following = false;
let shown = ""; // the answers that the page shows

function say(sentence, undo) {
  document.querySelector(".toast")?.remove();
  const toast = make("div", { class: "toast", role: "status" }, make("span", {}, sentence),
    undo ? make("button", { on: { click: () => { toast.remove(); undo(); } } }, "Undo") : null);
  document.body.append(toast);
  setTimeout(() => toast.remove(), 10_000);
}

// Runs a request and shows what went wrong.
async function attempt(work) {
  try {
    return await work();
  } catch (refusal) {
    if (refusal.status === 401) signedOut();
    else say(refusal.message);
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
  let due = 0;
  follow({
    sign: byId("state"),
    onResync: load,
    onEvent: () => { due ||= setTimeout(() => { due = 0; load(); }, 300); },
  });
}

async function load() {
  const answers = await attempt(() => Promise.all([request("/api/submissions"), request("/api/contest"), request("/api/winners"), request("/api/settings")]));
  if (!answers) return;
  // Redrawing what is the same would take a button from under somebody's finger.
  const now = JSON.stringify(answers);
  if (now === shown) return;
  shown = now;
  submissions = answers[0].submissions;
  categories = answers[1].categories;
  limit = answers[1].winnersLimit;
  const published = (c) => (answers[2].winners[c.id] ?? []).map((w) => w.id);
  picks = Object.fromEntries(categories.map((c) => [c.id, unsaved && picks[c.id] ? picks[c.id] : published(c)]));
  byId("moderation").checked = answers[3].settings.moderation;
  showAll();
}

function showAll() {
  showEntries();
  showPicks();
  showCategories();
}

const words = { approved: "on the wall", waiting: "waits for approval", hidden: "hidden" };

function matches(entry) {
  const text = byId("search").value.trim().toLowerCase();
  const status = byId("filter").value;
  if (status && entry.status !== status) return false;
  return !text || [entry.caption, entry.name, entry.phone].some((field) => field.toLowerCase().includes(text));
}

function showEntries() {
  byId("entries").replaceChildren(...categories.map((category) => {
    const list = (submissions[category.id] ?? []).filter(matches);
    return make("section", { class: "section" },
      make("header", {}, make("h2", {}, category.name), make("span", { class: "hint" }, `${list.length} entries`)),
      make("ul", { class: "entries" }, ...list.slice(0, 300).map((entry) => row(entry))));
  }));
}

function row(entry) {
  const picked = picks[entry.category]?.includes(entry.id);
  const act = (label, work, name = "") => make("button", { class: name, "aria-label": `${label}: ${entry.caption || "photo"}`, on: { click: work } }, label);
  return make("li", { class: "entry", dataset: { id: entry.id, status: entry.status } },
    shot(entry, "76px") ?? make("span", { class: "noimg" }),
    make("div", { class: "facts" }, make("b", {}, entry.caption || "(no caption)"),
      make("span", {}, [entry.name, entry.phone].filter(Boolean).join(" · ") + " "), make("span", { class: "badge" }, words[entry.status])),
    make("div", { class: "row" },
      entry.status === "approved" ? act(picked ? "Unpick" : "Pick", () => pick(entry)) : act("Approve", () => change(entry, "approve")),
      entry.status === "hidden" ? null : act("Hide", () => change(entry, "hide")),
      act("Delete", () => remove(entry), "danger")));
}

function pick(entry) {
  const list = picks[entry.category];
  const at = list.indexOf(entry.id);
  unsaved = true;
  if (at >= 0) list.splice(at, 1);
  else if (list.length < limit) list.push(entry.id);
  else return say(`A category has ${limit} winners at most. Unpick one first.`);
  showAll();
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

function showPicks() {
  byId("picks").replaceChildren(...categories.map((category) => make("section", { class: "section" }, make("h3", {}, category.name),
    make("ol", { class: "picked", dataset: { category: category.id } }, ...picks[category.id].map((id, i) => pickedRow(category.id, id, i))))));
}

function pickedRow(category, id, at) {
  const entry = submissions[category]?.find((one) => one.id === id) ?? { caption: id };
  const move = (by) => {
    const list = picks[category];
    const to = at + by;
    if (to < 0 || to >= list.length) return;
    list.splice(to, 0, ...list.splice(at, 1));
    unsaved = true;
    showPicks();
    document.querySelector(`[data-category="${CSS.escape(category)}"] li:nth-child(${to + 1})`)?.focus();
  };
  const name = entry.caption || "photo";
  const item = make("li", { draggable: "true", tabindex: "0", dataset: { id }, "aria-label": `Place ${at + 1}: ${name}. Arrow keys move it.`, on: {
    keydown: (e) => { if (e.key === "ArrowUp") { e.preventDefault(); move(-1); } else if (e.key === "ArrowDown") { e.preventDefault(); move(1); } },
    dragstart: (e) => e.dataTransfer.setData("text/plain", String(at)),
    dragover: (e) => e.preventDefault(),
    drop: (e) => {
      e.preventDefault();
      const list = picks[category];
      const from = Number(e.dataTransfer.getData("text/plain"));
      if (!(from in list)) return;
      list.splice(at, 0, ...list.splice(from, 1));
      unsaved = true;
      showPicks();
    },
  } }, shot(entry, "40px"), make("span", { class: "grow" }, name),
  make("button", { "aria-label": `Unpick ${name}`, on: { click: () => { picks[category].splice(at, 1); unsaved = true; showAll(); } } }, "×"));
  return item;
}

async function publish() {
  const before = await attempt(() => request("/api/winners"));
  if (!before) return;
  const old = Object.fromEntries(Object.entries(before.winners).map(([id, list]) => [id, list.map((w) => w.id)]));
  const save = (winners) => attempt(() => request("/api/save-winners", { method: "POST", body: { winners }, headers: { "Idempotency-Key": `w-${Date.now()}-${Math.random().toString(36).slice(2)}` } }));
  if (!await save(picks)) return;
  unsaved = false;
  say("The winners are published.", async () => { if (await save(old)) { say("As it was before."); load(); } });
}

function showCategories() {
  byId("categories").replaceChildren(...categories.map((category, i) => make("div", { class: "row" },
    make("input", { class: "grow", type: "text", value: category.name, maxlength: "100", "aria-label": `Name of category ${category.id}`, on: { change: (e) => saveCategories(categories.map((c, k) => (k === i ? { ...c, name: e.target.value.trim() || c.name } : c))) } }),
    make("button", { class: "danger", "aria-label": `Remove category ${category.name}`, on: { click: () => dropCategory(i) } }, "Remove"))));
}

async function saveCategories(list) {
  if (await attempt(() => request("/api/categories", { method: "POST", body: { categories: list } }))) load();
}

function dropCategory(i) {
  const before = categories;
  saveCategories(categories.filter((_, k) => k !== i));
  say("Removed. Its photos are kept.", () => saveCategories(before));
}

function addCategory(event) {
  event.preventDefault();
  const name = byId("newCategory").value.trim();
  if (!name) return;
  const base = name.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50) || "category";
  let id = base;
  for (let n = 2; categories.some((c) => c.id === id); n++) id = `${base}-${n}`;
  byId("newCategory").value = "";
  saveCategories([...categories, { id, name }]);
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
byId("search").addEventListener("input", showEntries);
byId("filter").addEventListener("change", showEntries);
byId("addCategory").addEventListener("submit", addCategory);
byId("moderation").addEventListener("change", (e) => attempt(() => request("/api/settings", { method: "POST", body: { moderation: e.target.checked } })));
byId("forget").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!confirm("Delete every photo sent with this number, for good?")) return;
  const answer = await attempt(() => request("/api/submissions/delete-by-phone", { method: "POST", body: { phone: byId("forgetPhone").value } }));
  if (answer) { say(`${answer.deleted} deleted.`); load(); }
});
byId("signout").addEventListener("click", async () => { await attempt(() => request("/api/logout", { method: "POST", body: {} })); signedOut(); });
byId("signoutAll").addEventListener("click", async () => { await attempt(() => request("/api/logout-everywhere", { method: "POST", body: {} })); signedOut(); });

const session = await request("/api/session").catch(() => ({ signedIn: false }));
if (session.signedIn) signedIn();
else signedOut();
