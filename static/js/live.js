// Keeps a page up to date: over Socket.IO, and while that cannot be had over Server-Sent Events or by asking
// for the feed every few seconds. Which of them is in use is told to the page; what arrives is the same.
import { io } from "/socket.io/socket.io.esm.min.js";

const events = ["newSubmission", "submissionUpdated", "submissionRemoved", "winnersUpdated", "categoriesUpdated"];
const shortest = 1000;
const longest = 30_000;
const pollEvery = 5000;

/** The wait before the n-th try: 1, 2, 4 … 30 s, give or take a third, so that a room does not come back as one. */
export function backoff(n, random = Math.random) {
  return Math.round(Math.min(longest, shortest * 2 ** n) * (2 / 3 + random() * (2 / 3)));
}

/**
 * Connects and stays connected.
 * @param {object} page
 * @param {(event: string, payload: any) => void} page.onEvent called for each event, in order
 * @param {(state: string, text: string) => void} page.onState live, polling, reconnecting, updating, fallback, offline
 * @param {() => Promise<void>|void} page.onResync called when events may have been missed: read everything anew
 */
export function follow({ onEvent, onState, onResync }) {
  const socket = io({ reconnection: false });
  let attempt = 0;
  let updating = false;
  let met = false; // connected at least once
  let timer = 0;
  const substitute = makeSubstitute(onEvent, onResync);

  const announce = () => {
    const transport = socket.io.engine?.transport.name;
    if (transport === "websocket") onState("live", "Live");
    else onState("polling", "Live, by polling");
  };

  const retry = () => {
    clearInterval(timer);
    const wait = backoff(attempt++);
    const due = Date.now() + wait;
    const tick = () => {
      const left = Math.ceil((due - Date.now()) / 1000);
      if (left <= 0) {
        clearInterval(timer);
        socket.connect();
        return;
      }
      if (!navigator.onLine) onState("offline", "Offline");
      else if (updating) onState("updating", "The server is being updated…");
      else if (substitute.active()) onState("fallback", "Live, the slow way");
      else onState("reconnecting", `Reconnecting in ${left} s`);
    };
    tick();
    timer = setInterval(tick, 500);
    if (attempt >= 3) substitute.start();
  };

  socket.on("connect", () => {
    clearInterval(timer);
    attempt = 0;
    updating = false;
    substitute.stop();
    announce();
    socket.io.engine.on("upgrade", announce);
    if (met && !socket.recovered) onResync();
    met = true;
  });
  socket.on("disconnect", retry);
  socket.on("connect_error", retry);
  socket.on("server-shutdown", () => { updating = true; });
  for (const name of events) socket.on(name, (payload) => onEvent(name, payload));
  addEventListener("online", () => {
    if (socket.connected) return;
    clearInterval(timer);
    attempt = 0;
    socket.connect();
  });
  addEventListener("offline", () => onState("offline", "Offline"));
}

// What is used while Socket.IO cannot be had.
function makeSubstitute(onEvent, onResync) {
  let source = null;
  let poll = 0;
  const listen = () => {
    source = new EventSource("/api/events");
    source.addEventListener("open", () => {
      clearInterval(poll);
      poll = 0;
      onResync();
    });
    source.addEventListener("reset", () => onResync());
    for (const name of events) source.addEventListener(name, (e) => onEvent(name, JSON.parse(e.data)));
    source.addEventListener("error", () => {
      poll ||= setInterval(() => onResync(), pollEvery);
    });
  };
  return {
    active: () => source !== null,
    start() {
      if (!source) listen();
    },
    stop() {
      source?.close();
      source = null;
      clearInterval(poll);
      poll = 0;
    },
  };
}

/** Shows the state of the connection in the page's indicator. */
export function showState(element) {
  return (state, text) => {
    if (element.dataset.state === state && element.textContent === text) return;
    element.dataset.state = state;
    element.textContent = text;
  };
}
