// The first-run page: whoever started the server says what the event is.
import { request } from "/js/api.js";
import { categoryId } from "/js/category-id.js";
import { byId, make } from "/js/dom.js";
import { sendLogo } from "/js/logo.js";
import { say } from "/js/words.js";

const headers = { "Podium-Setup": new URLSearchParams(location.search).get("code") ?? "" };
const form = byId("setup");
const field = (name) => form.elements[name];
let logoSent = null; // the file that the server has

function tell(sentence) {
  byId("problem").textContent = sentence;
  byId("problem").hidden = !sentence;
}

/** @param {{id: string, name: string}} [category] one that there is */
function addField({ id = "", name = "" } = {}) {
  const input = make("input", { type: "text", maxlength: 100, dir: "auto", "aria-label": say("category"), value: name, dataset: { id, name } });
  byId("categories").append(make("div", { class: "row" }, make("span", { class: "grow" }, input),
    make("button", { type: "button", "aria-label": say("removeThis"), on: { click: (event) => event.currentTarget.parentElement.remove() } }, "×")));
  return input;
}

/** The categories as they are to be. One that was renamed is another: nothing is in it yet. */
function categories() {
  const list = [];
  for (const input of byId("categories").querySelectorAll("input")) {
    const name = input.value.trim();
    const taken = list.map(({ id }) => id);
    if (name) list.push({ id: name === input.dataset.name && !taken.includes(input.dataset.id) ? input.dataset.id : categoryId(name, taken), name });
  }
  return list;
}

async function save() {
  const [logo] = field("logo").files;
  if (logo && logo !== logoSent) {
    await sendLogo(logo, headers);
    logoSent = logo;
  }
  const event = { accent: field("ownAccent").checked ? field("accent").value : "" };
  for (const name of ["name", "date", "welcome", "terms"]) event[name] = field(name).value;
  await request("/api/setup", { method: "POST", headers, body: { event, categories: categories(), password: field("password").value } });
  location.replace("/admin");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  tell("");
  if (categories().length === 0) return tell(say("oneNeeded"));
  const button = form.querySelector(".primary");
  button.disabled = true;
  await save().catch((refusal) => tell(refusal.status === 404 ? say("setUpGone") : refusal.message));
  button.disabled = false;
});
byId("more").addEventListener("click", () => addField().focus());
field("accent").addEventListener("input", () => { field("ownAccent").checked = true; });
field("logo").addEventListener("change", () => {
  const [file] = field("logo").files;
  byId("preview").hidden = !file;
  if (file) byId("preview").src = URL.createObjectURL(file);
});

const [asked, list] = await Promise.all([request("/api/setup", { headers }), request("/categories.json")]);
byId("passwordField").hidden = asked.passwordFixed;
list.forEach(addField);
