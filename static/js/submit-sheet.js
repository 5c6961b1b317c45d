// The sheet in which a guest looks at the photo, says where it belongs, and sends it.
import { byId, make } from "./dom.js";
import { preparePhoto } from "./prepare-photo.js";
import { say } from "./words.js";

/**
 * Opens for one photo after the other. It opens at once, because preparing a photo takes an old phone seconds, and a tap
 * that nothing answers is made again.
 */
export class SubmitSheet {
  /** @param {(what: object) => Promise<void>} send takes category, caption, name, phone, terms, photo and thumbnail */
  constructor(send) {
    this.send = send;
    this.waiting = []; // photos to be shown: what prepares each, and for one that was refused, its caption and what to do when it is sent
    this.current = null; // the photo in the sheet: what preparing it settles with, and whether Send was pressed
    this.dialog = byId("sheet");
    this.preview = byId("preview");
    byId("sheet-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => { if (!this.dialog.open) this.next(); });
    byId("submit-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.preview.addEventListener("load", () => this.show(true));
    this.preview.addEventListener("error", () => this.show(false));
    for (const id of ["name", "phone"]) byId(id).value = recall(id);
    this.ask(JSON.parse(recall("event") || "{}"));
  }

  /**
   * Asks what the organiser wants to know of everybody.
   * @param {{nameRequired?: boolean, terms?: string}} event
   */
  ask({ nameRequired = false, terms = "" }) {
    remember("event", JSON.stringify({ nameRequired, terms }));
    byId("name").required = nameRequired;
    byId("contact-summary").textContent = nameRequired ? say("contactNeeded") : say("contact");
    if (nameRequired) byId("contact").open = true; // what is asked for has to be seen
    const accepted = terms !== "" && recall("accepted") === terms;
    byId("terms").required = terms !== "";
    byId("terms").checked = accepted || (byId("terms").checked && byId("terms-text").textContent === terms);
    byId("terms-line").hidden = byId("terms-whole").hidden = terms === "";
    byId("terms-text").textContent = terms;
  }

  /** @param {{name: string, terms?: string}} item a photo; whether it says all that is asked for now */
  asksNoMoreThan({ name, terms }) {
    return !(byId("name").required && !name) && !(byId("terms").required && terms !== "yes");
  }

  /**
   * Offers the categories.
   * @param {{id: string, name: string}[]} categories
   * @param {string} [chosen] id of the one that is marked
   */
  offer(categories, chosen) {
    remember("categories", JSON.stringify(categories));
    const choices = byId("choices");
    const marked = choices.querySelector("input:checked")?.value ?? chosen ?? recall("category");
    choices.replaceChildren(choices.firstElementChild, ...categories.map((category) =>
      make("label", { class: "chip", dir: "auto" }, make("input", { type: "radio", name: "category", value: category.id, required: true }), category.name)));
    const first = [...choices.querySelectorAll("input")].find((input) => input.value === marked) ?? choices.querySelector("input");
    if (first) first.checked = true;
    choices.hidden = categories.length < 2;
  }

  /** @param {string} id category to mark */
  choose(id) {
    for (const input of byId("choices").querySelectorAll("input")) if (input.value === id) input.checked = true;
  }

  /** @param {string} id category; whether a photo can be sent to it, where that is known */
  offers(id) {
    const all = [...byId("choices").querySelectorAll("input")];
    return all.length === 0 || all.some((input) => input.value === id);
  }

  /** @param {Iterable<File>} files pictures, shown one after the other */
  open(files) {
    this.enqueue([...files].map((file) => ({ prepare: () => preparePhoto(file) })));
  }

  /**
   * Opens for a photo that was refused, so that the guest can say anew where it belongs.
   * @param {{photo: Blob, thumbnail: Blob, caption: string}} item
   * @param {() => void} sent called when it was sent, as a new photo
   */
  reopen({ photo, thumbnail, caption }, sent) {
    this.enqueue([{ prepare: async () => ({ photo, thumbnail }), caption, sent }]);
  }

  enqueue(more) {
    if (more.length === 0) return;
    this.waiting.push(...more);
    this.tell("");
    if (!this.dialog.open) this.next();
  }

  /** Shows the next photo, where one waits. */
  async next() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    this.current = null;
    const one = this.waiting.shift();
    if (!one) return;
    this.preview.hidden = true;
    byId("preview-words").textContent = say("oneMoment");
    byId("caption").value = one.caption ?? "";
    this.tell("", "sheet-problem");
    // A page that was opened without a network offers what it offered last.
    if (!byId("choices").querySelector("input")) this.offer(JSON.parse(recall("categories") || "[]"));
    byId("send").textContent = say("send");
    byId("sheet-title").textContent = say("yourPhoto");
    this.dialog.showModal();
    byId("send").focus();
    const current = { prepared: one.prepare(), sent: false, done: one.sent };
    this.current = current;
    try {
      const { photo } = await current.prepared;
      if (this.current !== current) return; // closed meanwhile
      this.url = URL.createObjectURL(photo);
      this.preview.src = this.url;
    } catch (failure) {
      if (this.current !== current) return;
      this.tell(failure.message);
      this.dialog.close();
    }
  }

  /** @param {boolean} readable whether this browser can show the photo; one that it can't is sent all the same */
  show(readable) {
    this.preview.hidden = !readable;
    byId("preview-words").textContent = readable ? "" : say("readyUnshown");
  }

  async submit() {
    const { current } = this;
    if (!current || current.sent) return; // pressed twice
    const category = byId("choices").querySelector("input:checked")?.value;
    this.tell(category ? "" : say("categoriesUnknown"), "sheet-problem");
    if (!category) return;
    current.sent = true;
    byId("send").textContent = say("oneMoment");
    const ready = await current.prepared.catch(() => null); // next() says what is wrong with it
    if (!ready || this.current !== current) return; // closed meanwhile: the guest changed their mind
    const what = { category, caption: byId("caption").value.trim(), name: byId("name").value.trim(), phone: byId("phone").value.trim(), terms: byId("terms").required ? "yes" : "", ...ready };
    if (what.terms) remember("accepted", byId("terms-text").textContent);
    remember("category", category);
    remember("name", what.name);
    remember("phone", what.phone);
    await this.send(what);
    current.done?.(); // last, so that a page that is closed in between loses nothing
    if (this.current === current) this.dialog.close();
  }

  /**
   * Says what is wrong, on the page or, where that is behind the sheet, in it.
   * @param {string} sentence empty where nothing is
   * @param {string} [place] id of the element that says it
   */
  tell(sentence, place = "problem") {
    const problem = byId(place);
    problem.textContent = sentence;
    problem.hidden = !sentence;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`podium-${name}`, value);
  } catch {
    // Private windows may refuse; the guest types it again then.
  }
}

function recall(name) {
  try {
    return localStorage.getItem(`podium-${name}`) ?? "";
  } catch {
    return "";
  }
}
