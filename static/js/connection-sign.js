// The words that say how the page is connected.
import { say } from "./words.js";

/**
 * Words for a connection's state.
 * @param {import("./live.js").ConnectionState} state
 * @param {number} now
 * @returns {string}
 */
export function wordsFor(state, now) {
  switch (state.state) {
    case "live": return say("live");
    case "polling": return say("livePolling");
    case "updating": return say("updating");
    case "offline": return say("offline");
    case "reconnecting": {
      const seconds = Math.ceil(((state.until ?? now) - now) / 1000);
      return seconds > 0 ? say("reconnectingIn", { n: seconds }) : say("reconnecting");
    }
    default: return say("connecting");
  }
}

/**
 * Keeps an element showing a connection's state, counting down by the second.
 * @param {HTMLElement} element
 * @param {import("./live.js").Live} live
 */
export function showConnection(element, live) {
  let timer = 0;
  const show = () => {
    const state = live.current;
    const words = wordsFor(state, Date.now());
    if (element.textContent !== words) element.textContent = words;
    element.dataset.state = state.state;
    // A countdown read aloud every second would drown the page.
    element.setAttribute("aria-live", state.state === "reconnecting" ? "off" : "polite");
    clearTimeout(timer);
    if (state.state === "reconnecting") timer = setTimeout(show, 500);
  };
  live.addEventListener("state", show);
  show();
}
