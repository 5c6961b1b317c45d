// How winners are shown, and revealed one after the other: the last place first, the winner last.
import { make } from "/js/dom.js";
import { placeName } from "/js/reveal.js";
import { shot } from "/js/shot.js";

/** Milliseconds from one reveal to the next. */
export const pause = 2600;
const colours = ["#f2a900", "#b92d17", "#1d6b3f", "#fffaf0", "#ff8a66"];

/**
 * Finds the categories whose winners are to be announced: somebody won who had not, or in another order. That somebody was
 * taken away is no news for a stage.
 * @param {Record<string, {id: string}[]>} before winners by category
 * @param {Record<string, {id: string}[]>} now
 * @returns {Set<string>} ids of categories that have winners now
 */
export function changedCategories(before, now) {
  const news = (id) => {
    const left = (before[id] ?? []).map((winner) => winner.id);
    return now[id].some((winner) => {
      const at = left.indexOf(winner.id);
      left.splice(0, at + 1);
      return at < 0;
    });
  };
  return new Set(Object.keys(now).filter(news));
}

/**
 * Says whether the same entries won on the same places, whatever else of them changed.
 * @param {Record<string, {id: string}[]>} one winners by category
 * @param {Record<string, {id: string}[]>} other
 * @returns {boolean}
 */
export function sameWinners(one, other) {
  const places = (winners) => JSON.stringify(Object.entries(winners).map(([id, list]) => [id, list.map((winner) => winner.id)]).filter(([, list]) => list.length).sort());
  return places(one) === places(other);
}

function fill(card, winner) {
  card.dataset.id = winner.id;
  card.classList.remove("veiled");
  card.replaceChildren(...[shot(winner, "(max-width: 600px) 82vw, 480px", true), make("p", { class: "rank" }, placeName(winner.place)), make("p", { dir: "auto" }, winner.caption), winner.name ? make("p", { class: "hint", dir: "auto" }, winner.name) : null].filter(Boolean));
}

/**
 * Makes the stage of one category.
 * @param {{id: string, name: string}} category
 * @param {{place: number}[]} winners the first one first
 * @param {boolean} veiled leaves the cards closed; nothing of the entries is in the page then
 * @returns {{element: HTMLElement, open: (at: number) => HTMLElement, size: number}} open shows one place
 */
export function stage(category, winners, veiled) {
  const cards = winners.map((winner) => {
    const card = make("article", { class: "place veiled" }, make("p", { class: "rank" }, placeName(winner.place)), make("p", { class: "veil", "aria-hidden": "true" }, "?"));
    if (!veiled) fill(card, winner);
    return card;
  });
  const element = make("section", { class: "stage", dataset: { category: category.id } }, make("h1", { dir: "auto" }, category.name), make("div", { class: "podium" }, ...cards));
  return {
    element,
    size: cards.length,
    open(at) {
      fill(cards[at], winners[at]);
      cards[at].classList.add("reveal");
      return cards[at];
    },
  };
}

/**
 * Waits, or less where it is called off.
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export function rest(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/**
 * Opens the cards of a stage, the last place first.
 * @param {ReturnType<typeof stage>} one with its cards closed, already in the page
 * @param {AbortSignal} signal opens what is left at once
 */
export async function reveal(one, signal) {
  one.element.scrollIntoView({ block: "center" });
  for (let at = one.size - 1; at >= 0; at--) {
    await rest(pause, signal);
    if (!one.element.isConnected) return;
    const card = one.open(at);
    if (at === 0 && !signal.aborted) throwConfetti(card);
  }
}

/**
 * Throws paper from a place, unless the person asked for little motion.
 * @param {HTMLElement} from
 */
export function throwConfetti(from) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const box = from.getBoundingClientRect();
  const layer = make("div", { class: "confetti", "aria-hidden": "true" });
  document.body.append(layer);
  const flights = Array.from({ length: 70 }, (_, i) => {
    const paper = make("i");
    layer.append(paper);
    paper.style.background = colours[i % colours.length];
    const x = box.left + box.width / 2;
    const y = box.top + box.height / 3;
    const away = (Math.random() - 0.5) * innerWidth * 0.9;
    const up = -Math.random() * innerHeight * 0.45;
    const turn = Math.random() * 1080;
    return paper.animate([
      { transform: `translate(${x}px, ${y}px) rotate(0)`, opacity: 1 },
      { transform: `translate(${x + away * 0.7}px, ${y + up}px) rotate(${turn / 2}deg)`, opacity: 1, offset: 0.35, easing: "ease-in" },
      { transform: `translate(${x + away}px, ${innerHeight + 40}px) rotate(${turn}deg)`, opacity: 0.8 },
    ], { duration: 2400 + Math.random() * 1600, easing: "ease-out", fill: "both" }).finished;
  });
  Promise.allSettled(flights).then(() => layer.remove());
}
