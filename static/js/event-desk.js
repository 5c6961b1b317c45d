// The part of the admin page in which the organiser says what the event is called and what it asks of guests.
import { request } from "/js/api.js";
import { byId } from "/js/dom.js";
import { removeLogo, sendLogo } from "/js/logo.js";
import { say } from "/js/words.js";

const TEXTS = ["name", "date", "welcome", "terms", "wallOrder", "wallCode"];
const USUAL = { wallOrder: "newest", wallCode: "large" }; // what an empty text means
const NUMBERS = ["photosPerGuest", "wallSeconds"];
const SWITCHES = ["nameRequired", "albumForGuests"];
const TIMES = ["opens", "closes"];
const field = (name) => byId("eventForm").elements[name];

/** A moment as a datetime-local field has it, in the organiser's own time, and back. */
const localOf = (time) => (time ? new Date(time - new Date(time).getTimezoneOffset() * 60000).toISOString().slice(0, 16) : "");
const timeOf = (local) => (local ? new Date(local).getTime() : 0);

export class EventDesk {
  /**
   * @param {object} desk
   * @param {(work: () => Promise<any>) => Promise<any>} desk.attempt runs a request and says what went wrong; null then
   * @param {(sentence: string) => void} desk.tell
   */
  constructor(desk) {
    this.desk = desk;
    this.shown = "";
    byId("eventForm").addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    byId("eventForm").addEventListener("input", ({ target }) => { this.edited ||= target !== field("logo"); });
    field("logo").addEventListener("change", () => this.changeLogo(() => sendLogo(field("logo").files[0])));
    byId("noLogo").addEventListener("click", () => this.changeLogo(removeLogo));
  }

  /** A logo is not part of what Save saves: choosing one is all that there is to do. */
  async changeLogo(change) {
    const answer = await this.desk.attempt(change);
    field("logo").value = "";
    if (!answer) return;
    this.showLogo(answer.event.logo);
    this.desk.tell(say("savedOpen"));
  }

  showLogo(logo) {
    byId("logo").hidden = byId("noLogo").hidden = !logo;
    if (logo) byId("logo").src = `/api/logo?v=${logo}`;
  }

  /** @param {object} event as the server has it; what the organiser is typing stays */
  show(event) {
    this.showLogo(event.logo);
    const now = JSON.stringify(event);
    if (now === this.shown || this.edited) return;
    this.shown = now;
    for (const name of TEXTS) field(name).value = event[name] || (USUAL[name] ?? "");
    for (const name of NUMBERS) field(name).value = event[name] || "";
    for (const name of TIMES) field(name).value = localOf(event[name]);
    for (const name of SWITCHES) field(name).checked = event[name];
    field("ownAccent").checked = Boolean(event.accent);
    field("accent").value = event.accent || "#b92d17";
  }

  async save() {
    const before = JSON.parse(this.shown || "{}");
    const event = { accent: field("ownAccent").checked ? field("accent").value : "" };
    for (const name of TEXTS) event[name] = field(name).value;
    for (const name of SWITCHES) event[name] = field(name).checked;
    for (const name of NUMBERS) event[name] = Number(field(name).value);
    // The field knows no seconds: a time that was not touched stays as it is.
    for (const name of TIMES) event[name] = field(name).value === localOf(before[name]) ? before[name] ?? 0 : timeOf(field(name).value);
    const answer = await this.desk.attempt(() => request("/api/settings", { method: "POST", body: { event } }));
    if (!answer) return;
    this.edited = false;
    this.show(answer.event);
    this.desk.tell(say("savedOpen"));
  }
}
