// Judging with large pictures: one photo at a time or a grid of them, by keys, buttons and swipes.
import { byId, make } from "/js/dom.js";
import { statusWords } from "/js/entry-list.js";
import { JudgingOrder } from "/js/judging-order.js";
import { shot } from "/js/shot.js";
import { say } from "/js/words.js";

const STEP = 60; // tiles that are made at a time

/** The letter of a key: that of a Latin keyboard where the keyboard has other letters. */
const letterOf = ({ key, code }) => (/^[a-z]$/i.test(key) ? key.toLowerCase() : /^\p{L}$/u.test(key) && code.startsWith("Key") ? code.slice(3).toLowerCase() : "");

/** The dialog in which photos are judged. */
export class Judging {
  /**
   * @param {object} desk
   * @param {(entry: object) => void} desk.pick picks an entry, or takes the pick back
   * @param {(entries: object[], status: string) => void} desk.judge changes who sees them
   * @param {(entry: object, category: string) => void} desk.move puts an entry into another category
   * @param {() => void} desk.undo undoes what was done last
   */
  constructor(desk) {
    this.desk = desk;
    this.order = new JudgingOrder();
    this.categories = [];
    this.entries = new Map(); // by id
    this.tiles = new Map(); // by id: element and what it shows
    this.grid = false;
    this.large = ""; // what is shown large
    this.seen = ""; // the id that was scrolled to in the grid
    this.dialog = byId("judge");
    this.photos = byId("judgePhotos");
    const on = (id, type, work) => byId(id).addEventListener(type, work);
    const button = (id, work) => on(id, "click", (event) => { if (event.detail < 2) work(); });
    on("judgeStatus", "change", () => this.begin());
    on("judgeCategory", "change", () => this.begin());
    on("judgeMove", "change", (event) => this.entry && this.desk.move(this.entry, event.target.value));
    on("judgeClose", "click", () => this.dialog.close());
    on("judgeView", "click", () => this.look(!this.grid));
    on("judgeBack", "click", () => this.turn(-1));
    on("judgeNext", "click", () => this.turn(1));
    on("judgeSelect", "click", () => this.select());
    button("judgePick", () => this.pick());
    button("judgeHide", () => this.judge("hidden"));
    button("judgeApprove", () => this.judge("approved"));
    button("judgeUndo", () => this.desk.undo());
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("close", () => this.forget());
    this.photos.addEventListener("click", (event) => this.click(event));
    this.photos.addEventListener("dblclick", (event) => { if (event.target.closest(".tile")) this.look(false); });
    this.photos.addEventListener("scroll", () => this.fill(), { passive: true });
    addEventListener("resize", () => this.fill());
    let from = 0;
    this.photos.addEventListener("pointerdown", (event) => { from = event.clientX; });
    this.photos.addEventListener("pointerup", (event) => {
      const way = event.clientX - from;
      if (!this.grid && event.pointerType === "touch" && Math.abs(way) > 60) this.turn(way < 0 ? 1 : -1);
    });
  }

  /** The entry that the keys act on. */
  get entry() { return this.entries.get(this.order.current); }

  /**
   * To be called when anything changed.
   * @param {{id: string, name: string}[]} categories
   * @param {Record<string, object[]>} entries by category
   * @param {(entry: object) => boolean} picked
   */
  show(categories, entries, picked) {
    this.categories = categories;
    this.picked = picked;
    this.entries = new Map(categories.flatMap(({ id }) => entries[id] ?? []).map((entry) => [entry.id, entry]));
    if (!this.dialog.open) return;
    this.offerCategories();
    this.order.refresh((id) => this.entries.has(id), this.matching());
    this.draw();
  }

  /** @param {object} [entry] the one to begin with; where there is none, with those that wait */
  open(entry) {
    const waiting = [...this.entries.values()].some(({ status }) => status === "waiting");
    byId("judgeStatus").value = !entry && waiting ? "waiting" : "";
    this.offerCategories();
    byId("judgeCategory").value = "";
    this.dialog.showModal();
    this.begin(entry?.id);
    this.look(false);
  }

  offerCategories() {
    const options = () => this.categories.map(({ id, name }) => make("option", { value: id }, name));
    const now = JSON.stringify(this.categories);
    if (now === this.offered) return;
    this.offered = now;
    const chosen = byId("judgeCategory").value;
    byId("judgeCategory").replaceChildren(make("option", { value: "" }, say("allCategories")), ...options());
    byId("judgeCategory").value = this.categories.some(({ id }) => id === chosen) ? chosen : "";
    byId("judgeMove").replaceChildren(...options());
  }

  /** @returns {string[]} the ids of what one would judge, newest first, category by category */
  matching() {
    const status = byId("judgeStatus").value, category = byId("judgeCategory").value;
    return [...this.entries.values()].filter((entry) => (!status || entry.status === status) && (!category || entry.category === category)).map(({ id }) => id);
  }

  begin(first) {
    this.order.begin(this.matching(), first);
    this.forget();
    this.draw();
  }

  forget() {
    this.tiles.clear();
    this.large = this.seen = "";
    this.photos.replaceChildren();
  }

  /** @param {boolean} grid whether many are shown, or one */
  look(grid) {
    this.grid = grid;
    this.forget();
    this.draw();
    this.photos.focus();
  }

  turn(step) {
    this.order.move(step);
    this.draw();
  }

  select() {
    this.order.toggle();
    if (!this.grid) return this.look(true);
    this.draw();
  }

  pick() {
    if (this.entry?.status === "approved") this.desk.pick(this.entry);
  }

  judge(status) {
    const entries = this.order.targets().map((id) => this.entries.get(id));
    if (!entries.length) return;
    this.order.judged();
    this.desk.judge(entries, status);
    this.draw();
  }

  click(event) {
    const id = event.target.closest(".tile")?.dataset.id;
    if (!id) return;
    if (event.shiftKey) this.order.selectTo(id);
    else this.order.goTo(id);
    if (event.ctrlKey || event.metaKey) this.order.toggle();
    this.draw();
  }

  /** @returns {number} how many tiles stand side by side */
  columns() {
    if (!this.grid) return 1;
    const tiles = [...this.photos.children];
    const second = tiles.findIndex((tile) => tile.offsetTop !== tiles[0].offsetTop);
    return second < 0 ? Math.max(1, tiles.length) : second;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input")) return;
    const toTheRight = document.dir === "rtl" ? -1 : 1;
    const moves = { ArrowLeft: -toTheRight, ArrowRight: toTheRight, ArrowUp: -this.columns(), ArrowDown: this.columns(), Home: -Infinity, End: Infinity };
    // What is held down judges one photo.
    const acts = event.repeat ? {} : { p: () => this.pick(), h: () => this.judge("hidden"), a: () => this.judge("approved"), u: () => this.desk.undo() };
    // On a button these keys press it.
    const here = event.repeat || event.target.matches("button:not(.tile)") ? {} : { " ": () => this.select(), Enter: () => this.look(!this.grid) };
    const work = event.key in moves ? () => this.turn(moves[event.key]) : acts[letterOf(event)] ?? here[event.key];
    if (!work) return;
    event.preventDefault();
    work();
  }

  /** What is to be known of an entry. */
  words(entry) {
    const status = statusWords[entry.status];
    return this.picked(entry) ? say("pickedToo", { status }) : status;
  }

  draw() {
    const { order, entry } = this;
    const count = order.ids.length;
    byId("judgeCount").textContent = !count ? say("nothingToJudge")
      : [say("placeOf", { at: order.at + 1, n: count }), order.selected.size ? say("selectedCount", { n: order.selected.size }) : ""].filter(Boolean).join(", ");
    byId("judgeCount").classList.toggle("sr", !count); // where the photos are it is said large
    byId("judgeView").textContent = this.grid ? say("oneAtATime") : say("grid");
    if (this.grid) this.drawGrid();
    else this.drawOne();
    byId("judgeFacts").hidden = !entry;
    if (entry) {
      byId("judgeCaption").textContent = entry.caption || say("noCaption");
      byId("judgeWho").textContent = [entry.name, entry.phone].filter(Boolean).join(" · ");
      byId("judgeIs").textContent = this.words(entry);
      byId("judgeMove").value = entry.category;
    }
    // They stay where they are whatever they can do.
    byId("judgePick").disabled = entry?.status !== "approved" || order.selected.size > 0;
    byId("judgeHide").disabled = byId("judgeApprove").disabled = byId("judgeSelect").disabled = !entry;
    byId("judgeBack").disabled = order.at === 0;
    byId("judgeNext").disabled = order.at >= count - 1;
  }

  drawOne() {
    const { entry } = this;
    const shows = entry ? JSON.stringify([entry.id, entry.imageUrl]) : "";
    if (shows === this.large) return;
    this.large = shows;
    if (!entry) return this.photos.replaceChildren();
    this.photos.replaceChildren(shot(entry, "100vw", true) ?? make("p", { class: "wordless", dir: "auto" }, entry.caption || say("noPicture")));
    const next = this.entries.get(this.order.ids[this.order.at + 1]);
    this.ahead = next && shot(next, "100vw", true); // on its way before its turn
  }

  drawGrid() {
    const { order } = this;
    const wanted = order.ids.slice(0, Math.max(this.photos.children.length, STEP, order.at + STEP)).map((id) => this.tile(this.entries.get(id)));
    this.photos.append(...wanted.filter((tile) => !tile.isConnected)); // what is new joins at the end
    const keep = new Set(wanted);
    for (const tile of [...this.photos.children]) if (!keep.has(tile)) tile.remove();
    for (const tile of wanted) {
      tile.setAttribute("aria-pressed", String(order.selected.has(tile.dataset.id)));
      tile.tabIndex = tile.dataset.id === order.current ? 0 : -1;
      tile.classList.toggle("current", tile.dataset.id === order.current);
    }
    const current = wanted[order.at];
    if (this.seen !== order.current) current?.scrollIntoView({ block: "nearest" });
    this.seen = order.current;
    if (this.photos.contains(document.activeElement)) current?.focus({ preventScroll: true });
    this.fill();
  }

  /** Makes more tiles while the end of those that there are is near: a large screen has none to scroll to before. */
  fill() {
    const { photos } = this;
    while (this.grid && photos.children.length < this.order.ids.length && photos.scrollTop + 2 * photos.clientHeight >= photos.scrollHeight) {
      const count = photos.children.length;
      const more = this.order.ids.slice(count, count + STEP).map((id) => this.tile(this.entries.get(id)));
      for (const tile of more) tile.tabIndex = -1;
      photos.append(...more);
    }
  }

  tile(entry) {
    const shows = JSON.stringify([entry.imageUrl, entry.caption, entry.status, this.picked(entry)]);
    const known = this.tiles.get(entry.id);
    if (known?.shows === shows) return known.element;
    const is = this.words(entry);
    const element = known?.element ?? make("button", { type: "button", class: "tile", dataset: { id: entry.id } });
    element.dataset.status = entry.status;
    element.setAttribute("aria-label", `${entry.caption || say("aPhoto")}, ${is}`);
    // The picture stays where its address stays, so that nothing flickers.
    const picture = known?.url === entry.imageUrl ? element.firstElementChild : shot(entry, "(min-width: 60rem) 30vw, 50vw") ?? make("span", { class: "wordless", dir: "auto" }, entry.caption);
    element.replaceChildren(picture, make("span", { class: "badge" }, is));
    this.tiles.set(entry.id, { element, shows, url: entry.imageUrl });
    return element;
  }
}
