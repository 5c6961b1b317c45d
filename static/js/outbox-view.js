// The list of the guest's own photos: sending → saved → on the wall.
import { icon, make } from "./dom.js";
import { number, say } from "./words.js";

/**
 * Words for where a photo is on its way.
 * @param {{state: string, firstTry?: number, progress?: number, said?: string, problem?: string, held?: boolean, onWall?: boolean}} item
 * @returns {string}
 */
export function wayOf(item) {
  if (item.onWall) return say("onTheWall");
  if (item.state === "refused") return item.problem ?? say("notTaken");
  if (item.state === "held") return item.firstTry ? say("heldMaybe") : say("held");
  if (item.state === "saved") return item.held ? say("savedWaiting") : say("saved");
  if (item.progress === 1) return say("sentWaiting");
  if (item.progress !== undefined) return say("sending", { share: number(item.progress, { style: "percent", maximumFractionDigits: 0 }) });
  return item.said || say("waiting");
}

/**
 * Keeps a list showing an outbox.
 * @param {HTMLElement} section hidden while there is nothing to show
 * @param {HTMLElement} list
 * @param {HTMLElement} announcer element that is read aloud
 * @param {import("./outbox.js").Outbox} outbox
 * @param {(item: object) => void} again called for a refused photo that the guest wants to send again
 */
export function showOutbox(section, list, announcer, outbox, again) {
  const rows = new Map();
  let due = false;
  const draw = () => {
    due = false;
    section.hidden = !section.querySelector("details:not([hidden])") && outbox.items.size === 0;
    for (const [key, row] of rows) {
      if (outbox.items.has(key)) continue;
      row.element.remove();
      URL.revokeObjectURL(row.url);
      rows.delete(key);
    }
    for (const item of outbox.items.values()) {
      let row = rows.get(item.key);
      if (!row) {
        row = makeRow(item);
        rows.set(item.key, row);
        list.prepend(row.element);
      }
      update(row, item, outbox, announcer, again);
    }
  };
  outbox.addEventListener("change", () => {
    if (due) return;
    due = true;
    requestAnimationFrame(draw);
  });
}

function makeRow(item) {
  const url = URL.createObjectURL(item.thumbnail);
  const state = make("span", { class: "state" });
  const progress = make("progress", { max: 1, "aria-label": say("sentSoFar"), hidden: true });
  const actions = make("span", { class: "actions" });
  // A picture that only the server can read has nothing to show here.
  const picture = make("img", { src: url, alt: "", on: { error: () => picture.replaceWith(make("span", { class: "unread" })) } });
  const element = make("li", {}, picture, make("span", { class: "said", dir: "auto" }, item.caption || say("photo")), state, progress, actions);
  return { url, element, state, progress, actions, step: "" };
}

function update(row, item, outbox, announcer, again) {
  const words = wayOf(item);
  if (row.state.textContent !== words) row.state.textContent = words;
  row.progress.hidden = item.progress === undefined;
  row.progress.value = item.progress ?? 0;
  const step = item.onWall ? "wall" : item.progress === undefined ? `${item.state}${item.said ? " again" : ""}` : "sending";
  if (step === row.step) return;
  row.step = step;
  row.element.dataset.state = item.onWall ? "wall" : item.state;
  announcer.textContent = words;
  const name = item.caption || say("photo");
  const button = (words, act) => make("button", { class: "button small", type: "button", "aria-label": say("actionOf", { action: words, name }), on: { click: act } }, words);
  const discard = () => make("button", { class: "button quiet round", type: "button", "aria-label": say("removeFromList", { name }), on: { click: () => outbox.discard(item.key) } }, icon("close"));
  if (item.onWall || item.state === "saved") row.actions.replaceChildren(discard());
  else if (item.state === "refused" && item.lost) row.actions.replaceChildren(discard());
  else if (item.state === "refused") row.actions.replaceChildren(button(say("sendAgain"), () => again(item)), discard());
  else if (item.state === "held") row.actions.replaceChildren(button(say("send"), () => outbox.resume(item.key)), discard());
  else if (item.said && item.progress === undefined) row.actions.replaceChildren(button(say("tryNow"), () => outbox.nudge()), button(say("dontSend"), () => outbox.hold(item.key)));
  else row.actions.replaceChildren();
}
