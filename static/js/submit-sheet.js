// The sheet in which a guest looks at the photo, says where it belongs, and sends it.
import { byId, make } from "./dom.js";
import { preparePhoto } from "./prepare-photo.js";

/** Opens for one photo after the other. */
export class SubmitSheet {
  /** @param {(what: object) => Promise<void>} send takes category, caption, name, phone, photo and thumbnail */
  constructor(send) {
    this.send = send;
    this.waiting = [];
    this.dialog = byId("sheet");
    this.preview = byId("preview");
    byId("sheet-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.next());
    byId("submit-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    for (const id of ["name", "phone"]) byId(id).value = recall(id);
  }

  /**
   * Offers the categories.
   * @param {{id: string, name: string}[]} categories
   * @param {string} [chosen] id of the one that is marked
   */
  offer(categories, chosen) {
    const choices = byId("choices");
    const marked = choices.querySelector("input:checked")?.value ?? chosen ?? recall("category");
    choices.replaceChildren(choices.firstElementChild, ...categories.map((category) =>
      make("label", { class: "chip" }, make("input", { type: "radio", name: "category", value: category.id, required: true }), category.name)));
    const first = [...choices.querySelectorAll("input")].find((input) => input.value === marked) ?? choices.querySelector("input");
    if (first) first.checked = true;
    choices.hidden = categories.length < 2;
  }

  /** @param {string} id category to mark */
  choose(id) {
    for (const input of byId("choices").querySelectorAll("input")) if (input.value === id) input.checked = true;
  }

  /** @param {Iterable<File>} files pictures, shown one after the other */
  open(files) {
    this.waiting.push(...files);
    if (!this.dialog.open) this.next();
  }

  async next() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
    const file = this.waiting.shift();
    if (!file) return;
    this.tell("");
    try {
      this.ready = await preparePhoto(file);
    } catch (failure) {
      this.tell(failure.message);
      return this.next();
    }
    this.url = URL.createObjectURL(this.ready.photo);
    this.preview.src = this.url;
    byId("caption").value = "";
    this.dialog.showModal();
    byId("send").focus();
  }

  async submit() {
    const category = byId("choices").querySelector("input:checked")?.value;
    if (!category || !this.ready) return this.tell("The categories aren't known yet. Please try again in a moment.");
    const what = { category, caption: byId("caption").value.trim(), name: byId("name").value.trim(), phone: byId("phone").value.trim(), ...this.ready };
    this.ready = null;
    remember("category", category);
    remember("name", what.name);
    remember("phone", what.phone);
    await this.send(what);
    this.dialog.close();
  }

  tell(sentence) {
    const problem = byId("problem");
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
