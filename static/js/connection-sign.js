// The words that say how the page is connected.

/**
 * Words for a connection's state.
 * @param {import("./live.js").ConnectionState} state
 * @param {number} now
 * @returns {string}
 */
export function wordsFor(state, now) {
  switch (state.state) {
    case "live": return "Live";
    case "polling": return "Live, by polling";
    case "updating": return "Server updating…";
    case "offline": return "Offline";
    case "reconnecting": {
      const seconds = Math.ceil(((state.until ?? now) - now) / 1000);
      return seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting…";
    }
    default: return "Connecting…";
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
