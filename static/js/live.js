// The connection to the server: the official Socket.IO client, and what to use while it cannot work.
//
// Steps down: WebSocket → long-polling (both by the client itself) → Server-Sent Events → reading the feed every few
// seconds. The client goes on trying underneath; when it is back, the others stop.
import { request } from "./api.js";
import { guardUpgrade } from "./guard-upgrade.js";
import { waitBefore } from "./retry.js";

const EVENTS = ["newSubmission", "submissionUpdated", "submissionRemoved", "submissionsRemoved", "winnersUpdated", "revealUpdated", "categoriesUpdated", "eventUpdated"];
const FAILURES_BEFORE_FALLBACK = 2;
const FEED_INTERVAL = 5000;
const LOADING = 20000; // how long the client may take to arrive

/**
 * @typedef {{state: "connecting"|"live"|"polling"|"reconnecting"|"updating"|"offline", until?: number}} ConnectionState
 *   until: when the next try is made, milliseconds since the epoch
 */

/** Delivers the contest's events, and says how well it can. Listen to "state" (ConnectionState), "gap" and "event". */
export class Live extends EventTarget {
  constructor() {
    super();
    /** @type {ConnectionState} */
    this.current = { state: "connecting" };
    this.attempt = 0;
    this.failures = 0;
    this.updating = false;
    this.retryTimer = 0;
    this.unread = false; // a reading failed and is due once more
    this.missed = 0; // readings that failed one after the other
    this.readTimer = 0;
    this.loads = 0;
    this.stopFallback = null;
    addEventListener("online", () => this.backOnline());
    addEventListener("offline", () => this.say({ state: "offline" }));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.tryNow(); });
    addEventListener("pageshow", (event) => { if (event.persisted) this.backFromMemory(); });
  }

  /** Connects, and stays connected from then on. */
  async start() {
    try {
      // A module that failed to load stays failed under its address, so that every try needs a new one.
      const address = "/socket.io/socket.io.esm.min.js" + (this.loads++ ? `?try=${this.loads}` : "");
      const late = new Promise((_, reject) => setTimeout(reject, LOADING));
      const { io } = await Promise.race([import(address), late]);
      this.connect(io);
    } catch {
      this.failed();
    }
  }

  /** Tries at once instead of after the wait. */
  tryNow() {
    if (this.socket?.connected || !this.retryTimer) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = 0;
    this.again();
  }

  /** A connection can outlive a short time without a network, and so can the sign that says so. */
  backOnline() {
    if (!this.socket?.connected) {
      if (this.stopFallback) this.say({ state: "polling" });
      return this.tryNow();
    }
    this.nameTransport();
    this.gap();
  }

  /** The client gives its poll up when the page is left, and waits for its answer when the browser brings the page back. */
  backFromMemory() {
    if (!this.socket?.connected) return;
    this.socket.io.engine.transport.close();
    this.tryNow();
  }

  nameTransport() {
    this.say({ state: this.socket.io.engine.transport.name === "websocket" ? "live" : "polling" });
  }

  again() {
    this.retryTimer = 0;
    if (this.socket) this.socket.connect();
    else this.start();
  }

  connect(io) {
    // The waits are our own (see waitBefore), because the page says when the next try comes. An address with
    // ?transport=polling is for rooms whose network is known to break WebSockets.
    const only = new URLSearchParams(location.search).get("transport");
    const socket = io({ reconnection: false, ...(only ? { transports: [only] } : {}) });
    this.socket = socket;
    socket.io.on("open", () => guardUpgrade(socket.io.engine));
    socket.on("connect", () => this.connected());
    socket.on("connect_error", () => this.failed());
    socket.on("disconnect", () => this.failed());
    socket.on("server-shutdown", () => {
      this.updating = true;
      this.say({ state: "updating" });
    });
    for (const name of EVENTS) socket.on(name, (payload) => this.deliver(name, payload));
  }

  connected() {
    this.attempt = 0;
    this.failures = 0;
    this.updating = false;
    this.stopFallback?.();
    this.stopFallback = null;
    const engine = this.socket.io.engine;
    if (engine.transport.name === "websocket") this.nameTransport();
    else {
      // Nearly every connection starts with polling and becomes a WebSocket within a moment: no news until it doesn't.
      this.say({ state: "live" });
      const late = setTimeout(() => this.nameTransport(), 4000);
      engine.once("upgrade", () => { clearTimeout(late); this.nameTransport(); });
      engine.once("close", () => clearTimeout(late));
    }
    if (!this.socket.recovered || this.unread) this.gap();
  }

  failed() {
    if (this.retryTimer) return;
    this.failures++;
    const wait = waitBefore(this.attempt++);
    this.retryTimer = setTimeout(() => this.again(), wait);
    if (!this.stopFallback) this.say({ state: "reconnecting", until: Date.now() + wait });
    if (this.failures >= FAILURES_BEFORE_FALLBACK && !this.stopFallback && navigator.onLine) this.fallBack();
  }

  /** Asks the server which way is open; a server that can't even say is simply not there. */
  async fallBack() {
    let advice;
    try {
      advice = await request("/api/realtime-fallback");
    } catch (failure) {
      if (failure.status !== 503) return;
      advice = {};
    }
    if (this.socket?.connected || this.stopFallback) return;
    const ways = advice.alternatives ?? [];
    const polling = ways.find((way) => way.method === "polling");
    const events = ways.find((way) => way.method === "server-sent-events");
    if (events && "EventSource" in window) this.followEvents(events.url, polling?.interval ?? FEED_INTERVAL);
    else this.readFeed(polling?.interval ?? FEED_INTERVAL);
  }

  followEvents(url, interval) {
    const source = new EventSource(url);
    let errors = 0;
    source.onopen = () => {
      errors = 0;
      this.updating = false;
      this.say({ state: "polling" });
      this.gap();
    };
    source.onerror = () => {
      // A source that was refused is closed and says nothing more; one that broke off tries again by itself.
      if (source.readyState !== EventSource.CLOSED && ++errors < 2) return;
      source.close();
      this.stopFallback = null;
      if (!this.socket?.connected) this.readFeed(interval);
    };
    for (const name of EVENTS) source.addEventListener(name, (event) => this.deliver(name, JSON.parse(event.data)));
    source.addEventListener("reset", () => this.gap());
    source.addEventListener("server-shutdown", () => {
      this.updating = true;
      this.say({ state: "updating" });
    });
    this.stopFallback = () => source.close();
  }

  readFeed(interval) {
    const timer = setInterval(() => this.gap(), interval);
    this.stopFallback = () => clearInterval(timer);
    this.say({ state: "polling" });
    this.gap();
  }

  /** Says that events may have been missed, so that everything is to be read. */
  gap() {
    this.unread = false;
    clearTimeout(this.readTimer);
    this.dispatchEvent(new CustomEvent("gap"));
  }

  /** To be told when everything was read. */
  reached() {
    this.missed = 0;
  }

  /** To be told when a reading of the feed failed: it is due once more, and the polling is no connection either. */
  unreachable() {
    this.unread = true;
    clearTimeout(this.readTimer);
    if (this.socket?.connected) this.readTimer = setTimeout(() => this.gap(), waitBefore(this.missed++));
    if (this.socket?.connected || !this.stopFallback) return;
    this.stopFallback();
    this.stopFallback = null;
    this.say({ state: "reconnecting", until: Date.now() });
  }

  deliver(name, payload) {
    this.dispatchEvent(new CustomEvent("event", { detail: { name, payload } }));
  }

  say(state) {
    if (!navigator.onLine && state.state !== "live") state = { state: "offline" };
    else if (this.updating && state.state === "reconnecting") state = { state: "updating" };
    this.current = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }
}
