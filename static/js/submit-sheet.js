// The sheet in which a guest looks at photos, says where they belong, and sends them.
import { byId, icon, make } from "./dom.js";
import { preparePhoto } from "./prepare-photo.js";
import { tellProblem } from "./toast.js";
import { say } from "./words.js";

/**
 * Opens for what was chosen at once, one choice after the other. It opens at once, because preparing a photo takes an old phone seconds, and a tap
 * that nothing answers is made again.
 */
export class SubmitSheet {
  /** @param {(what: object) => Promise<void>} send takes category, caption, name, phone, credit, terms, photo and thumbnail */
  constructor(send) {
    this.send = send;
    this.waiting = []; // choices to be shown: what prepares each photo, and for one that was refused, its caption and what to do when it is sent
    this.current = null; // the photos in the sheet: what preparing each settles with, and whether Send was pressed
    this.urls = []; // of the pictures in the sheet
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
    byId("credit").checked = recall("credit") === "yes";
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

  /** @param {Iterable<File>} files pictures that are sent together, with the same words */
  open(files) {
    const all = [...files];
    if (all.length) this.enqueue({ photos: all.map((file) => () => preparePhoto(file)) });
  }

  /**
   * Opens for a photo that was refused, so that the guest can say anew where it belongs.
   * @param {{photo: Blob, thumbnail: Blob, caption: string}} item
   * @param {() => void} sent called when it was sent, as a new photo
   */
  reopen({ photo, thumbnail, caption }, sent) {
    this.enqueue({ photos: [async () => ({ photo, thumbnail })], caption, sent });
  }

  enqueue(batch) {
    this.waiting.push(batch);
    tellProblem("");
    if (this.dialog.open) this.showTitle();
    else this.next();
  }

  /** Shows the next photos, where some wait. */
  next() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.urls = [];
    this.current = null;
    const batch = this.waiting.shift();
    if (!batch) return;
    const current = this.current = { photos: [], sent: false, done: batch.sent };
    let before = Promise.resolve(); // one after the other: a phone has not the memory for all
    for (const prepare of batch.photos) {
      const prepared = before.then(() => (this.current === current ? prepare() : Promise.reject(new Error("closed"))));
      before = prepared.catch(() => {});
      current.photos.push({ prepared });
    }
    const many = current.photos.length > 1;
    this.preview.hidden = true;
    byId("batch").hidden = !many;
    byId("batch").replaceChildren();
    byId("preview-words").textContent = many ? "" : say("oneMoment");
    byId("caption").value = batch.caption ?? "";
    this.tell("");
    // A page that was opened without a network offers what it offered last.
    if (!byId("choices").querySelector("input")) this.offer(JSON.parse(recall("categories") || "[]"));
    this.showTitle();
    this.dialog.showModal();
    this.dialog.querySelector(".fields").scrollTop = 0; // where they were left
    byId("send").focus();
    for (const one of current.photos) many ? this.showOne(current, one) : this.showOnly(current, one);
  }

  /** Says how many photos the sheet holds, and how many come after it. */
  showTitle() {
    const n = this.current.photos.length;
    const title = n > 1 ? say("photosCount", { n }) : say("yourPhoto");
    const more = this.waiting.reduce((sum, { photos }) => sum + photos.length, 0);
    byId("sheet-title").textContent = more ? say("moreToCome", { title, n: more }) : title;
    if (!this.current.sent) byId("send").textContent = n > 1 ? say("sendMany", { n }) : say("send");
  }

  urlOf(blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  async showOnly(current, one) {
    try {
      const { photo } = await one.prepared;
      if (this.current === current) this.preview.src = this.urlOf(photo); // else it was closed meanwhile
    } catch (failure) {
      if (this.current !== current) return;
      tellProblem(failure.message);
      this.dialog.close();
    }
  }

  /** Shows one photo of several, which can be left out. */
  async showOne(current, one) {
    const leaveOut = () => {
      current.photos = current.photos.filter((other) => other !== one);
      element.remove();
      if (current.photos.length === 0) this.dialog.close();
      else this.showTitle();
    };
    const element = make("li", {}, make("button", { type: "button", class: "button round", "aria-label": say("leaveOut"), on: { click: leaveOut } }, icon("close")));
    byId("batch").append(element);
    try {
      const { thumbnail } = await one.prepared;
      if (this.current === current) element.prepend(make("img", { src: this.urlOf(thumbnail), alt: "" }));
    } catch (failure) {
      if (this.current !== current) return;
      this.tell(failure.message); // of the others nothing is lost
      leaveOut();
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
    this.tell(category ? "" : say("categoriesUnknown"));
    if (!category) return;
    current.sent = true;
    byId("send").textContent = say("oneMoment");
    const words = { category, caption: byId("caption").value.trim(), name: byId("name").value.trim(), phone: byId("phone").value.trim(), credit: byId("credit").checked && byId("name").value.trim() ? "yes" : "", terms: byId("terms").required ? "yes" : "" };
    if (words.terms) remember("accepted", byId("terms-text").textContent);
    for (const name of ["category", "name", "phone", "credit"]) remember(name, words[name]);
    for (const one of [...current.photos]) {
      const ready = await one.prepared.catch(() => null); // next() says what is wrong with it
      if (this.current !== current) return; // closed meanwhile: the guest changed their mind
      if (ready && current.photos.includes(one)) await this.send({ ...words, ...ready });
    }
    current.done?.(); // last, so that a page that is closed in between loses nothing
    if (this.current === current) this.dialog.close();
  }

  /** @param {string} sentence what is wrong, in the sheet; "" where nothing is */
  tell(sentence) {
    byId("sheet-problem").textContent = sentence;
    byId("sheet-problem").hidden = !sentence;
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
