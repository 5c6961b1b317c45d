// The part of the admin page that prepares the presentation of the winners and goes on with it.
import { oneAtATime, request } from "/js/api.js";
import { byId } from "/js/dom.js";
import { press, readCue } from "/js/presenter-keys.js";
import { placeName } from "/js/reveal.js";
import { say } from "/js/words.js";

export class StageDesk {
  /**
   * @param {object} desk
   * @param {(work: () => Promise<any>) => Promise<any>} desk.attempt runs a request and says what went wrong; null then
   * @param {(sentence: string) => void} desk.tell
   * @param {() => Record<string, string[]>} desk.picks what is picked now, by category
   * @param {() => void} desk.prepared called when the picks are kept for the stage
   */
  constructor(desk) {
    this.desk = desk;
    this.cue = null;
    this.load = oneAtATime(async () => {
      this.cue = await readCue().catch(() => this.cue);
      this.show();
    });
    byId("prepare").addEventListener("click", () => this.prepare());
    byId("stageNext").addEventListener("click", () => this.go("next"));
    byId("stageBack").addEventListener("click", () => this.go("back"));
    byId("stageEnd").addEventListener("click", () => this.end());
    byId("makeLink").addEventListener("click", () => this.makeLink());
    this.show();
  }

  show() {
    const { cue } = this;
    const words = (one) => say("placeIn", { place: placeName(one.place), category: one.category });
    byId("stageState").textContent = !cue ? say("nothingPrepared")
      : cue.state === "done" ? say("allPresented")
        : `${cue.state === "prepared" ? say("preparedState") : say("onStage", { what: words(cue.now) })} ${cue.next ? say("comingNext", { what: words(cue.next) }) : say("comingAll")}.`;
    byId("prepare").hidden = cue?.state === "presenting";
    byId("stageNext").hidden = !cue || cue.state === "done";
    byId("stageBack").hidden = !cue || cue.state === "prepared";
    byId("stageEnd").hidden = !cue;
  }

  async prepare() {
    const body = { winners: this.desk.picks(), names: byId("stageNames").checked };
    const answer = await this.desk.attempt(() => request("/api/reveal", { method: "POST", body }));
    if (!answer) return;
    this.desk.tell(say("preparedSaid"));
    this.desk.prepared();
    this.load();
  }

  async go(way) {
    const turn = this.cue?.turn;
    await this.desk.attempt(() => press(way, turn));
    this.load();
  }

  async end() {
    if (await this.desk.attempt(() => request("/api/reveal", { method: "DELETE" }))) this.load();
  }

  async makeLink() {
    const answer = await this.desk.attempt(async () => {
      const { path } = await request("/api/presenter", { method: "POST", body: {} });
      // By the address that a phone can open: the organiser's own may mean only their computer.
      return { path, ...await request("/api/join", { method: "POST", body: { path } }) };
    });
    if (!answer) return;
    byId("link").hidden = byId("linkCode").hidden = false;
    byId("link").href = answer.path;
    byId("link").textContent = answer.url;
    byId("linkCode").src = `data:image/svg+xml,${encodeURIComponent(answer.svg)}`;
    byId("linkCode").alt = say("qrOf", { url: answer.url });
    this.desk.tell(say("linkEnded"));
  }
}
