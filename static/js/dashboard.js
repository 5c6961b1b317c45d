// The operator's dashboard. It reads sums, never single connections, and so costs the same with ten thousand.
import { ago } from "/js/ago.js";
import { oneAtATime, request } from "/js/api.js";
import { byId, make } from "/js/dom.js";

const every = 5000;
const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const i = n > 0 ? Math.min(units.length - 1, Math.floor(Math.log10(n) / 3)) : 0;
  return `${whole.format(n / 1000 ** i)} ${units[i]}`;
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
  const now = lines.map((line, i) => `${names[i] ? names[i] + " " : ""}${whole.format(line.at(-1) ?? 0)}`).join(", ");
  return make("div", { class: "card" }, make("h2", {}, label), svg,
    make("p", { class: "hint axis" }, make("span", {}, "an hour ago"), make("span", {}, `now ${now}; highest ${whole.format(highest)}`)));
}

function upFor(seconds) {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}

const sentences = { healthy: "Everything works.", degraded: "It works, with difficulties.", unavailable: "It does not work." };

const load = oneAtATime(async () => {
  let d;
  try {
    d = await request("/api/dashboard");
  } catch (refusal) {
    byId("status").textContent = refusal.status === 401 ? "Please sign in on the entries page first." : refusal.message;
    return;
  }
  byId("status").textContent = sentences[d.health.status];
  byId("machine").hidden = !d.machine.shared;
  byId("machine").textContent = `${d.machines.length} ${d.machines.length === 1 ? "machine serves" : "machines serve"} this contest, with connections as follows: ${d.machines.map((m) => `${m.name || "one without a name"} ${whole.format(m.active)}`).join(", ")}. Entries, connections and messages are those of all; everything else is of ${d.machine.name || "the machine that answered"}.`;
  byId("reasons").replaceChildren(...d.health.reasons.map((reason) => make("p", { class: "error" }, reason)));
  byId("figures").replaceChildren(
    figure("Connections", whole.format(d.connections.active), `${d.connections.websocket} WebSocket, ${d.connections.polling} polling, ${d.connections.sse} streams; ${whole.format(d.connections.peak)} at most in the last hour`),
    figure("Messages a second", whole.format(d.messages.perSecond), `${whole.format(d.messages.delivered)} in all`),
    figure("Round trip", `${whole.format(d.latency.average)} ms`, `95 % below ${whole.format(d.latency.p95)} ms`),
    figure("Recovered", whole.format(d.recoveries.recovered), `${d.recoveries.missedEvents} missed events sent, ${d.recoveries.refused} told to reload`),
    figure("Submissions", whole.format(d.submissions.total), `${d.submissions.waiting} wait, ${d.submissions.lastHour} in the last hour`),
    figure("Errors", whole.format(d.errors.http5xx), `${d.errors.http4xx} refused, ${d.errors.rateLimited} over a limit, ${d.errors.pingTimeouts} gone silent`),
    figure("Memory", bytes(d.memory.system), `${bytes(d.memory.heap)} in use${d.memory.limit ? `, ${bytes(d.memory.limit)} allowed` : ""}`),
    figure("Disk", bytes(d.disk.free), `free; data ${bytes(d.disk.database)}, photos ${bytes(d.disk.uploads)}`),
    figure("Bucket", d.bucket.configured ? d.bucket.state : "not used", d.bucket.configured ? `${d.bucket.waiting} wait to be sent` : ""),
    figure("Cloudinary", d.cloudinary.configured ? d.cloudinary.state : "not used", d.cloudinary.configured ? `${d.cloudinary.waiting} wait to be sent` : "photos are kept here"),
    figure("Queue", whole.format(d.messages.queued), `events kept for who comes back, ${whole.format(d.messages.dropped)} dropped; ${bytes(d.messages.queuedBytes)} wait for slow phones`),
    d.machine.shared && d.backups.count === 0 ? figure("Backups", "–", "the database has its own") : figure("Backups", whole.format(d.backups.count), [d.backups.last ? `last ${ago(d.backups.last)}` : "none yet", d.backups.failures ? `${d.backups.failures} failed` : ""].filter(Boolean).join(", ")),
    figure("Up for", upFor(d.uptime), `${whole.format(d.connections.total)} connections in all`));
  const s = d.series;
  byId("charts").replaceChildren(chart("Connections", [], s.connections), chart("Messages in 10 s", [], s.delivered),
    chart("Round trip in ms", ["average", "95 % below"], s.latencyAverage, s.latencyP95), chart("Submissions in 10 s", [], s.submissions),
    chart("Errors in 10 s", [], s.errors), chart("Memory in MB", [], s.heap.map((v) => (v === null ? null : v / 1e6))));
});

document.addEventListener("visibilitychange", () => { if (!document.hidden) load(); });
await load();
setInterval(() => { if (!document.hidden) load(); }, every);
