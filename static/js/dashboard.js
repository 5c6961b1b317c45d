// The dashboard: how the evening goes in the organiser's words, and one step further in what a technician asks for. It reads
// sums, never single connections, and so costs the same with ten thousand.
import { ago } from "/js/ago.js";
import { oneAtATime, request } from "/js/api.js";
import { byId, make } from "/js/dom.js";
import { has, number, say } from "/js/words.js";

const every = 5000;
const whole = (value) => number(value, { maximumFractionDigits: 1 });
const unit = (value, name, unitDisplay = "short") => number(value, { style: "unit", unit: name, unitDisplay, maximumFractionDigits: 1 });

function bytes(n) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const i = n > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(n) / 3)) : 0;
  return unit(n / 1000 ** i, units[i]);
}

function figure(label, value, hint = "") {
  return make("div", { class: "card figure" }, make("span", {}, label), make("b", {}, value), make("span", { class: "hint" }, hint));
}

// Lines of the last hour. Where nothing was measured, a line has a gap.
function chart(label, names, ...lines) {
  const highest = Math.max(1, ...lines.flat().map((v) => v ?? 0));
  const node = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const svg = node("svg", { viewBox: "0 0 360 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const y of [4, 51, 98]) svg.append(node("line", { x1: 0, x2: 360, y1: y, y2: y }));
  for (const line of lines) {
    let pen = "M";
    const d = line.map((v, i) => {
      if (v === null) { pen = "M"; return ""; }
      const point = `${pen}${361 - line.length + i} ${98 - (v / highest) * 94}`;
      pen = "L";
      return point;
    }).join("");
    svg.append(node("path", { d: d || "M0 98" }));
  }
  const now = lines.map((line, i) => `${names[i] ? names[i] + " " : ""}${whole(line.at(-1) ?? 0)}`).join(", ");
  return make("div", { class: "card" }, make("h2", {}, label), svg,
    make("p", { class: "hint axis" }, make("span", {}, say("anHourAgo")), make("span", {}, say("nowAndHighest", { now, highest: whole(highest) }))));
}

function upFor(seconds) {
  if (seconds < 3600) return unit(Math.floor(seconds / 60), "minute");
  return seconds < 48 * 3600 ? unit(Math.floor(seconds / 3600), "hour") : unit(Math.floor(seconds / 86400), "day", "long");
}

const sentences = { healthy: say("allWell"), degraded: say("difficulties"), unavailable: say("down") };
const services = { closed: say("works"), open: say("away"), "half-open": say("tryingAgain") }; // by the state of their circuit breaker

/** What is wrong, in the page's language; in the server's own words where there are none for it. */
function reasonOf(code, sentence) {
  const key = `reason-${code}`;
  return has(key) ? say(key) : sentence;
}

/** A place elsewhere to which photos are sent. */
function service(label, { configured, state, waiting }, without = "") {
  if (!configured) return figure(label, say("notUsed"), without);
  return figure(label, services[state] ?? state, waiting ? say("waitToBeSent", { n: waiting }) : "");
}

function backups({ machine, backups: { count, last, failures } }) {
  if (machine.shared && count === 0) return figure(say("copies"), "–", say("copiesElsewhere"));
  return figure(say("copies"), whole(count), [last ? say("copyLast", { when: ago(last) }) : say("copyNone"), failures ? say("copyFailures", { n: failures }) : ""].filter(Boolean).join(", "));
}

/** What an organiser asks: are they all there, do photos come, does it work. */
const figures = (d) => [
  figure(say("openPages"), whole(d.connections.active), say("openPagesHint", { most: d.connections.peak })),
  figure(say("photos"), whole(d.submissions.total), say("photosHint", { waiting: d.submissions.waiting, hour: d.submissions.lastHour })),
  d.latency.p95 > 0 ? figure(say("speed"), unit(d.latency.average, "millisecond"), say("speedHint", { time: unit(d.latency.p95, "millisecond") })) : figure(say("speed"), "–"),
  figure(say("cameBack"), whole(d.recoveries.recovered), say("cameBackHint", { events: d.recoveries.missedEvents, refused: d.recoveries.refused })),
  figure(say("failures"), whole(d.errors.http5xx), say("failuresHint")),
  figure(say("roomLeft"), bytes(d.disk.free), say("roomLeftHint", { photos: bytes(d.disk.uploads) })),
  backups(d),
  figure(say("runningFor"), upFor(d.uptime), say("runningHint", { n: d.connections.total })),
];

const technicalFigures = (d) => [
  figure(say("connections"), whole(d.connections.active), say("connectionsHint", d.connections)),
  figure(say("messages"), whole(d.messages.perSecond), say("messagesHint", { n: d.messages.delivered })),
  figure(say("eventLog"), whole(d.messages.queued), say("eventLogHint", { dropped: d.messages.dropped, bytes: bytes(d.messages.queuedBytes) })),
  figure(say("refused"), whole(d.errors.http4xx), say("refusedHint", { limited: d.errors.rateLimited, silent: d.errors.pingTimeouts })),
  figure(say("memory"), bytes(d.memory.system), d.memory.limit ? say("memoryAllowed", { used: bytes(d.memory.heap), limit: bytes(d.memory.limit) }) : say("memoryHint", { used: bytes(d.memory.heap) })),
  figure(say("database"), bytes(d.disk.database)),
  service(say("bucket"), d.bucket),
  service("Cloudinary", d.cloudinary, say("keptHere")),
];

const load = oneAtATime(async () => {
  let d;
  try {
    d = await request("/api/dashboard");
  } catch (refusal) {
    byId("status").textContent = refusal.status === 401 ? say("signInFirst") : refusal.message;
    return;
  }
  byId("status").textContent = sentences[d.health.status];
  byId("machine").hidden = !d.machine.shared;
  const list = d.machines.map(({ name, active }) => `${name || say("unnamedMachine")} ${whole(active)}`).join(", ");
  byId("machine").textContent = `${say("machinesCount", { n: d.machines.length })} ${say("machinesHave", { list, machine: d.machine.name || say("thisMachine") })}`;
  byId("reasons").replaceChildren(...d.health.reasons.map((reason, at) => make("p", { class: "error", dir: "auto" }, reasonOf(d.health.codes[at], reason))));
  byId("figures").replaceChildren(...figures(d));
  byId("technicalFigures").replaceChildren(...technicalFigures(d));
  const s = d.series;
  byId("charts").replaceChildren(chart(say("openPages"), [], s.connections), chart(say("chartPhotos"), [], s.submissions));
  byId("technicalCharts").replaceChildren(chart(say("chartMessages"), [], s.delivered), chart(say("chartSpeed"), [say("chartAverage"), say("chartMost")], s.latencyAverage, s.latencyP95),
    chart(say("chartErrors"), [], s.errors), chart(say("chartMemory"), [], s.heap.map((v) => (v === null ? null : v / 1e6))));
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
await load();
setInterval(() => { if (!document.hidden) load(); }, every);
