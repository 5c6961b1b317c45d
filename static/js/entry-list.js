// The organiser's list of entries. Ten thousand are known, a few dozen have elements: more are made as one scrolls.
import { make } from "/js/dom.js";
import { shot } from "/js/shot.js";
import { say } from "/js/words.js";

const STEP = 40;
/** What an entry's status means, by its name. */
export const statusWords = { approved: say("statusApproved"), waiting: say("statusWaiting"), hidden: say("statusHidden") };

/** What an entry's row is dragged as. */
export const ENTRY = "application/x-podium-entry";

// The second click of a double click may meet what has moved there meanwhile.
const once = (work) => (event) => { if (event.detail < 2) work(); };

/** Shows the entries of each category and changes only the rows that differ, so that no button moves away under a finger. */
export class EntryList {
  /**
   * @param {HTMLElement} root
   * @param {{pick: Function, open: Function, judge: Function, remove: Function}} acts each takes an entry, and judge
   *   several and the status that they are to have
   */
  constructor(root, acts) {
    this.root = root;
    this.acts = acts;
    this.sections = new Map(); // by category
    this.rows = new Map(); // by entry id: element and what it shows
    this.observer = new IntersectionObserver((seen) => {
      for (const { isIntersecting, target } of seen) if (isIntersecting) this.widen(target.dataset.category);
    }, { rootMargin: "600px" });
  }

  /**
   * @param {{id: string, name: string}[]} categories
   * @param {Record<string, object[]>} entries by category, newest first
   * @param {(entry: object) => boolean} matches
   * @param {(entry: object) => boolean} picked
   * @param {boolean} [fromStart] begins every list with its newest again
   */
  show(categories, entries, matches, picked, fromStart = false) {
    this.picked = picked;
    for (const [id, section] of this.sections) {
      if (categories.some((category) => category.id === id)) continue;
      this.observer.unobserve(section.more);
      section.element.remove();
      this.sections.delete(id);
    }
    const known = new Set();
    categories.forEach((category, place) => {
      const section = this.section(category, place);
      if (fromStart) section.limit = STEP;
      section.list = (entries[category.id] ?? []).filter(matches);
      for (const entry of section.list) known.add(entry.id);
      section.name.textContent = category.name;
      const waiting = section.list.filter(({ status }) => status === "waiting").length;
      section.all.disabled = !waiting; // it keeps its room, so that nothing moves up under a second click
      section.all.textContent = waiting ? say("approveAll", { n: waiting }) : "";
      section.count.textContent = say("entriesCount", { n: section.list.length });
      this.draw(section);
    });
    for (const id of this.rows.keys()) if (!known.has(id)) this.rows.delete(id);
  }

  section({ id }, place) {
    let section = this.sections.get(id);
    if (!section) {
      const name = make("h2");
      const count = make("span", { class: "hint" });
      const all = make("button", { type: "button", on: { click: once(() => this.acts.judge(section.list.filter(({ status }) => status === "waiting"), "approved")) } });
      const ul = make("ul", { class: "entries" });
      const more = make("button", { type: "button", class: "more", dataset: { category: id }, on: { click: () => this.widen(id) } }, say("showMore"));
      const element = make("section", { class: "section" }, make("header", {}, name, count, all), ul, more);
      section = { element, name, count, all, ul, more, limit: STEP, list: [] };
      this.sections.set(id, section);
      this.observer.observe(more);
    }
    if (this.root.children[place] !== section.element) this.root.insertBefore(section.element, this.root.children[place] ?? null);
    return section;
  }

  widen(id) {
    const section = this.sections.get(id);
    if (!section || section.limit >= section.list.length) return;
    section.limit += STEP;
    this.draw(section);
    // The end may still be in sight, of which the observer would say nothing more.
    this.observer.unobserve(section.more);
    this.observer.observe(section.more);
  }

  draw(section) {
    const wanted = section.list.slice(0, section.limit).map((entry) => this.row(entry));
    const keep = new Set(wanted);
    for (const element of [...section.ul.children]) if (!keep.has(element)) element.remove();
    let place = section.ul.firstElementChild;
    for (const element of wanted) {
      if (element === place) place = place.nextElementSibling;
      else section.ul.insertBefore(element, place);
    }
    section.more.hidden = section.list.length <= section.limit;
    section.more.textContent = say("showMoreOf", { n: section.list.length });
  }

  row(entry) {
    const picked = this.picked(entry);
    const shows = JSON.stringify([entry, picked]);
    const known = this.rows.get(entry.id);
    if (known?.shows === shows) return known.element;
    const act = (label, work, name = "") => make("button", { type: "button", class: name, "aria-label": say("actionOf", { action: label, name: entry.caption || say("aPhoto") }), disabled: !work, on: { click: once(work) } }, label);
    const approved = entry.status === "approved";
    const element = make("li", { class: "entry", draggable: approved ? "true" : null, dataset: { id: entry.id, status: entry.status }, on: {
      dragstart: (event) => { event.dataTransfer.setData(ENTRY, entry.id); event.dataTransfer.effectAllowed = "copy"; },
    } },
    make("button", { type: "button", class: "open", "aria-label": say("actionOf", { action: say("showLarge"), name: entry.caption || say("aPhoto") }), on: { click: () => this.acts.open(entry) } }, shot(entry, "76px") ?? make("span", { class: "noimg" })),
    make("div", { class: "facts" }, make("b", { dir: "auto" }, entry.caption || say("noCaption")),
      make("span", { dir: "auto" }, [entry.name, entry.phone].filter(Boolean).join(" · ") + " "), make("span", { class: "badge" }, statusWords[entry.status])),
    make("div", { class: "acts" }, // each in its place whatever the status, so that a second click never meets Delete
      approved ? act(picked ? say("unpick") : say("pick"), () => this.acts.pick(entry)) : act(say("approve"), () => this.acts.judge([entry], "approved")),
      act(say("hide"), entry.status === "hidden" ? null : () => this.acts.judge([entry], "hidden")),
      act(say("delete"), () => this.acts.remove(entry), "danger")));
    // A button that was in use stays in use.
    const used = known?.element.contains(document.activeElement) ? [...known.element.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    if (known?.element.isConnected) known.element.replaceWith(element);
    const buttons = element.querySelectorAll("button");
    if (used >= 0) (buttons[used]?.disabled ? buttons[used - 1] : buttons[used])?.focus();
    this.rows.set(entry.id, { element, shows });
    return element;
  }
}
