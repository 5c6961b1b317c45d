// The organiser's picks of each category, put in order by dragging, by arrow keys, or with buttons.
import { make } from "/js/dom.js";
import { ENTRY } from "/js/entry-list.js";
import { shot } from "/js/shot.js";
import { say } from "/js/words.js";

const PICK = "application/x-podium-pick";

/** Shows the picks. What is changed is told to changed(). */
export class PickList {
  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} announcer element that is read aloud
   * @param {object} acts
   * @param {(category: string, ids: string[]) => void} acts.changed called with a category's new order
   * @param {(id: string, at: number) => void} acts.dropped called with an entry that was dragged here from the list
   */
  constructor(root, announcer, acts) {
    this.root = root;
    this.announcer = announcer;
    this.acts = acts;
    this.shown = ""; // what has elements
  }

  /**
   * @param {{id: string, name: string}[]} categories
   * @param {Record<string, string[]>} picks ids by category, the winner first
   * @param {(category: string, id: string) => object} entryOf
   */
  show(categories, picks, entryOf) {
    this.picks = picks;
    // Photos arrive while somebody drags one; what is the same stays.
    const now = JSON.stringify([categories, categories.map(({ id }) => picks[id].map((entry) => entryOf(id, entry)))]);
    if (now === this.shown) return;
    this.shown = now;
    const used = this.root.contains(document.activeElement) ? document.activeElement.closest("li")?.dataset.id : null;
    this.root.replaceChildren(...categories.map(({ id, name }) => {
      const rows = picks[id].map((entry, at) => this.row(id, entryOf(id, entry), at));
      const empty = rows.length ? null : make("li", { class: "hint none" }, say("nobodyYet"));
      return make("section", { class: "section" }, make("h3", { dir: "auto" }, name),
        make("ol", { class: "picked", dataset: { category: id }, on: this.target(id, picks[id].length) }, ...rows, empty));
    }));
    // Drawing anew must not take the keyboard away from whoever uses it.
    if (used) this.root.querySelector(`li[data-id="${CSS.escape(used)}"]`)?.focus();
  }

  // What can be dropped on a place, and what happens then.
  target(category, at) {
    const takes = (event) => event.dataTransfer.types.includes(ENTRY) || event.dataTransfer.types.includes(PICK + "-" + category.toLowerCase());
    return {
      dragover: (event) => {
        if (!takes(event)) return;
        event.preventDefault();
        event.currentTarget.classList.add("over");
      },
      dragleave: (event) => event.currentTarget.classList.remove("over"),
      drop: (event) => {
        event.currentTarget.classList.remove("over");
        if (!takes(event)) return;
        event.preventDefault();
        event.stopPropagation();
        const entry = event.dataTransfer.getData(ENTRY);
        if (entry) return this.acts.dropped(entry, at);
        const from = this.picks[category].indexOf(event.dataTransfer.getData(PICK + "-" + category.toLowerCase()));
        this.move(category, from, Math.min(at, this.picks[category].length - 1));
      },
    };
  }

  move(category, from, to) {
    const list = [...this.picks[category]];
    if (!(from in list) || !(to in list) || from === to) return;
    list.splice(to, 0, ...list.splice(from, 1));
    this.acts.changed(category, list);
    this.root.querySelector(`[data-category="${CSS.escape(category)}"] li:nth-child(${to + 1})`)?.focus();
    this.announcer.textContent = say("movedToPlace", { n: to + 1 });
  }

  row(category, entry, at) {
    const name = entry.caption || say("aPhoto");
    const last = this.picks[category].length - 1;
    const button = (words, label, work, disabled = false) => make("button", { type: "button", "aria-label": label, disabled, on: { click: (event) => { if (event.detail < 2) work(); } } }, words);
    return make("li", { draggable: "true", tabindex: "0", dataset: { id: entry.id }, "aria-label": say("pickLabel", { n: at + 1, name }), on: {
      ...this.target(category, at),
      dragstart: (event) => { event.dataTransfer.setData(PICK + "-" + category.toLowerCase(), entry.id); event.dataTransfer.effectAllowed = "all"; },
      keydown: (event) => {
        if (event.target !== event.currentTarget) return;
        const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (way) {
          event.preventDefault();
          this.move(category, at, at + way);
        } else if (event.key === "Delete" || event.key === "Backspace") {
          event.preventDefault();
          this.unpick(category, at);
        }
      },
    } }, shot(entry, "40px"), make("span", { class: "grow", dir: "auto" }, name),
    last > 0 ? button("↑", say("moveUp", { name }), () => this.move(category, at, at - 1), at === 0) : null,
    last > 0 ? button("↓", say("moveDown", { name }), () => this.move(category, at, at + 1), at === last) : null,
    button("×", say("unpickOne", { name }), () => this.unpick(category, at)));
  }

  unpick(category, at) {
    this.acts.changed(category, this.picks[category].filter((_, k) => k !== at));
    this.root.querySelector(`[data-category="${CSS.escape(category)}"] li[tabindex]`)?.focus();
    this.announcer.textContent = say("unpicked");
  }
}
