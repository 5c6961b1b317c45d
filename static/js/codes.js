// A sheet of QR codes to print and put on the tables.
import { request } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { language, say } from "/js/words.js";

const words = { "/": say("sendYourPhoto"), "/winners.html": say("seeTheWinners"), "/wall": say("watchTheWall") };
let addresses = [];
let event = { name: "", date: "", logo: "" }; // what the organiser says of it

/** A day as people write it. */
const day = (date) => new Date(`${date}T12:00`).toLocaleDateString(language, { dateStyle: "long" });

function show() {
  const at = byId("address").selectedIndex;
  if (at < 0) return;
  const path = byId("page").value;
  const count = Number(byId("count").value);
  const code = `/api/join.svg?address=${at}&path=${encodeURIComponent(path)}`;
  const url = addresses[at].replace(/\/$/, "") + path;
  byId("sheet").dataset.count = String(count);
  byId("sheet").replaceChildren(...Array.from({ length: count }, () => make("article", { class: "code" },
    event.logo ? make("img", { class: "logo", src: `/api/logo?v=${event.logo}`, alt: "" }) : null,
    event.name && make("p", { class: "event", dir: "auto" }, event.name),
    event.date && make("p", {}, day(event.date)), make("h2", {}, words[path]), make("img", { src: code, alt: say("qrOf", { url }), width: 300, height: 300 }), make("p", { dir: "ltr" }, url))));
}

async function load() {
  let join;
  try {
    [join, { event }] = await Promise.all([request("/api/join"), request("/api/contest")]);
  } catch (refusal) {
    byId("warning").textContent = refusal.message;
    byId("warning").hidden = false;
    return;
  }
  addresses = join.addresses;
  byId("address").replaceChildren(...addresses.map((address) => make("option", { value: address }, address)));
  byId("warning").hidden = join.reachable;
  byId("warning").textContent = say("noAddress");
  show();
}

byId("choice").addEventListener("change", show);
byId("print").addEventListener("click", () => print());
await load();
