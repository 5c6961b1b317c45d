// The list of the guest's own photos: sending → saved → on the wall.
import { icon, make } from "./dom.js";

/**
 * Words for where a photo is on its way.
 * @param {{state: string, firstTry?: number, progress?: number, said?: string, problem?: string, held?: boolean, onWall?: boolean}} item
 * @returns {string}
 */
export function wayOf(item) {
  if (item.onWall) return "On the wall";
  if (item.state === "refused") return item.problem ?? "Not taken.";
  if (item.state === "held") return item.firstTry ? "Held back. It may have arrived already." : "Held back";
  if (item.state === "saved") return item.held ? "Saved. It appears when the organiser has approved it." : "Saved";
  if (item.progress === 1) return "Sent, waiting for the answer…";
  if (item.progress !== undefined) return `Sending… ${Math.round(item.progress * 100)} %`;
  return item.said || "Waiting to be sent";
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
    section.hidden = outbox.items.size === 0;
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
  const progress = make("progress", { max: 1, "aria-label": "Sent so far", hidden: true });
  const actions = make("span", { class: "actions" });
  // A picture that only the server can read has nothing to show here.
  const picture = make("img", { src: url, alt: "", on: { error: () => picture.replaceWith(make("span", { class: "unread" })) } });
  const element = make("li", {}, picture, make("span", { class: "said" }, item.caption || "Photo"), state, progress, actions);
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
  const name = item.caption || "photo";
  const button = (words, act) => make("button", { class: "button small", type: "button", "aria-label": `${words}: ${name}`, on: { click: act } }, words);
  const discard = () => make("button", { class: "button quiet round", type: "button", "aria-label": `Remove ${name} from this list`, on: { click: () => outbox.discard(item.key) } }, icon("close"));
  if (item.onWall || item.state === "saved") row.actions.replaceChildren(discard());
  else if (item.state === "refused" && item.lost) row.actions.replaceChildren(discard());
  else if (item.state === "refused") row.actions.replaceChildren(button("Send again", () => again(item)), discard());
  else if (item.state === "held") row.actions.replaceChildren(button("Send", () => outbox.resume(item.key)), discard());
  else if (item.said && item.progress === undefined) row.actions.replaceChildren(button("Try now", () => outbox.nudge()), button("Don't send", () => outbox.hold(item.key)));
  else row.actions.replaceChildren();
}
