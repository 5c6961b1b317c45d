// The feed page: what everybody sent, as it arrives, and the form to send one's own.
import { ask } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { follow, showState } from "/js/live.js";
import { openOutbox } from "/js/outbox.js";
import { prepare } from "/js/photo.js";
import { shot } from "/js/shot.js";

const page = 60; // tiles a category shows at first, and by each "more"
const tileSizes = "(max-width: 420px) 45vw, 200px";
const sections = new Map(); // category id → {list, more, empty}
const shown = new Map(); // submission id → tile
const arrived = []; // waits for the next frame
const mine = new Map(); // id of one's own submission → row of the outbox
const rows = new Map(); // key of an entry → row of the outbox

function tile(item, fresh) {
  const element = make("li", { class: fresh ? "tile fresh" : "tile", dataset: { id: item.id } },
    make("div", { class: "shot" }, shot(item, tileSizes)),
    make("div", { class: "words" }, item.caption));
  shown.set(item.id, element);
  confirmMine(item.id);
  return element;
}

// Many photos in one moment become one change of the page.
function arrive(item) {
  if (shown.has(item.id) || arrived.some((one) => one.id === item.id)) return;
  arrived.push(item);
  if (arrived.length > 1) return;
  requestAnimationFrame(() => {
    for (const one of arrived.splice(0)) {
      const section = sections.get(one.category);
      if (!section || shown.has(one.id)) continue;
      section.list.prepend(tile(one, true));
      section.empty.hidden = true;
      while (section.list.children.length > 4 * page) forget(section.list.lastElementChild.dataset.id);
    }
  });
}

function forget(id) {
  shown.get(id)?.remove();
  shown.delete(id);
}

function update(item) {
  const old = shown.get(item.id);
  if (!old) return arrive(item);
  shown.delete(item.id);
  old.replaceWith(tile(item, false));
}

let categories = [];
async function load() {
  const answers = await Promise.all([ask("/api/contest"), ask(`/api/feed?limit=${page}`)]).catch(() => null);
  if (!answers) return;
  const [contest, { feed }] = answers;
  categories = contest.categories;
  showCategories();
  shown.clear();
  sections.clear();
  byId("feed").replaceChildren(...categories.map((category) => section(category, feed[category.id] ?? [])));
}

function section(category, items) {
  const list = make("ul", { class: "grid" }, ...items.map((item) => tile({ ...item, category: category.id }, false)));
  const empty = make("p", { class: "empty", hidden: items.length > 0 }, "Nothing yet. Be the first!");
  const more = make("button", { hidden: items.length < page, on: { click: () => older(category.id) } }, "Show older ones");
  sections.set(category.id, { list, empty, more });
  return make("section", { class: "section" }, make("header", {}, make("h2", {}, category.name)), empty, list, more);
}

async function older(id) {
  const { list, more } = sections.get(id);
  const last = list.lastElementChild?.dataset.id;
  if (!last) return;
  const answer = await ask(`/api/feed?category=${encodeURIComponent(id)}&before=${encodeURIComponent(last)}&limit=${page}`).catch(() => null);
  if (!answer) return;
  list.append(...answer.feed[id].filter((item) => !shown.has(item.id)).map((item) => tile({ ...item, category: id }, false)));
  more.hidden = !answer.more;
}

function showCategories() {
  const chosen = document.querySelector("input[name=category]:checked")?.value;
  byId("categories").replaceChildren(make("legend", { class: "sr" }, "Category"), ...categories.map((category, i) =>
    make("label", {}, make("input", { class: "sr", type: "radio", name: "category", value: category.id, checked: chosen ? chosen === category.id : i === 0 }),
      make("span", {}, category.name))));
}

// The form.
let photo = null;
let preparing = Promise.resolve();
function choose(event) {
  const file = event.target.files[0];
  if (!file) return;
  event.target.value = "";
  problem("");
  preparing = prepare(file).then((blob) => {
    photo = blob;
    const preview = byId("preview");
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(blob);
    preview.hidden = false;
  });
}

function problem(sentence) {
  byId("problem").textContent = sentence;
  byId("problem").hidden = !sentence;
}

async function submit(event, outbox) {
  event.preventDefault();
  await preparing;
  const category = document.querySelector("input[name=category]:checked")?.value;
  if (!category) return problem("Please choose a category.");
  if (!photo) return problem("Please take or choose a photo first.");
  problem("");
  const fields = { category, photo };
  for (const field of ["caption", "name", "phone"]) fields[field] = byId(field).value;
  await outbox.add(fields);
  photo = null;
  byId("preview").hidden = true;
  byId("caption").value = "";
}

// The guest sees: sending → saved → on the wall. The last only when the feed itself shows it.
function progress(entry, state, detail) {
  let row = rows.get(entry.key);
  if (!row) {
    const picture = make("img", { alt: "", src: entry.photo ? URL.createObjectURL(entry.photo) : "/icon.svg" });
    row = { item: make("li"), how: make("span", { class: "how" }), bar: make("progress", { max: "1", value: "0", hidden: true }) };
    row.item.append(picture, make("span", { class: "what" }, entry.caption || "Your photo"), make("span", {}, row.how, row.bar));
    rows.set(entry.key, row);
    byId("outbox").prepend(row.item);
  }
  row.item.dataset.state = state;
  row.bar.hidden = state !== "sending";
  if (state === "sending") {
    row.bar.value = detail;
    row.how.textContent = "Sending…";
  } else if (state === "waiting") row.how.textContent = detail || "Waiting to be sent.";
  else if (state === "refused") row.how.textContent = detail;
  else if (detail.status === "waiting") row.how.textContent = "Saved. It appears when an organiser approves it.";
  else {
    row.how.textContent = "Saved.";
    mine.set(detail.entry.id, row);
    confirmMine(detail.entry.id);
  }
}

function confirmMine(id) {
  const row = mine.get(id);
  if (!row || !shown.has(id)) return;
  row.item.dataset.state = "wall";
  row.how.textContent = "On the wall!";
  mine.delete(id);
}

byId("camera").addEventListener("change", choose);
byId("library").addEventListener("change", choose);
const loaded = load();
const outbox = await openOutbox(progress);
byId("submit").addEventListener("submit", (event) => submit(event, outbox));
await loaded;
follow({
  onState: showState(byId("state")),
  onResync: load,
  onEvent(event, payload) {
    if (event === "newSubmission") arrive(payload);
    else if (event === "submissionUpdated") update(payload);
    else if (event === "submissionRemoved") forget(payload.id);
    else if (event === "categoriesUpdated") load();
  },
});
