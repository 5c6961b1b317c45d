// The operator's dashboard. It reads sums, never single connections, and so costs the same with ten thousand.
import { request } from "/js/api.js";
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

// A line of the last hour. Drawing one takes fewer lines than a library would take to load.
function chart(label, ...lines) {
  const highest = Math.max(1, ...lines.flat().map((v) => v ?? 0));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 360 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const line of lines) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", line.map((v, i) => `${i ? "L" : "M"}${360 - line.length + i} ${98 - ((v ?? 0) / highest) * 94}`).join(""));
    svg.append(path);
  }
  const now = lines[0].at(-1) ?? 0;
  return make("div", { class: "card" }, make("h2", {}, label), svg, make("p", { class: "hint" }, `now ${whole.format(now)}, highest ${whole.format(highest)}`));
}

const sentences = { healthy: "Everything works.", degraded: "It works, with difficulties.", unavailable: "It does not work." };

async function load() {
  let d;
  try {
    d = await request("/api/dashboard");
  } catch (refusal) {
    byId("status").textContent = refusal.status === 401 ? "Please sign in on the entries page first." : refusal.message;
    return;
  }
  byId("status").textContent = sentences[d.health.status];
  byId("reasons").replaceChildren(...d.health.reasons.map((reason) => make("p", { class: "error" }, reason)));
  byId("figures").replaceChildren(
    figure("Connections", whole.format(d.connections.active), `${d.connections.websocket} WebSocket, ${d.connections.polling} polling, ${d.connections.sse} streams`),
    figure("Messages a second", whole.format(d.messages.perSecond), `${whole.format(d.messages.delivered)} in all`),
    figure("Round trip", `${whole.format(d.latency.average)} ms`, `95 % below ${whole.format(d.latency.p95)} ms`),
    figure("Recovered", whole.format(d.recoveries.recovered), `${d.recoveries.missedEvents} missed events sent, ${d.recoveries.refused} told to reload`),
    figure("Submissions", whole.format(d.submissions.total), `${d.submissions.waiting} wait, ${d.submissions.lastHour} in the last hour`),
    figure("Errors", whole.format(d.errors.http5xx), `${d.errors.http4xx} refused, ${d.errors.rateLimited} over a limit`),
    figure("Memory", bytes(d.memory.system), `${bytes(d.memory.heap)} in use`),
    figure("Disk", bytes(d.disk.free), `free; data ${bytes(d.disk.database)}, photos ${bytes(d.disk.uploads)}`),
    figure("Cloudinary", d.cloudinary.configured ? d.cloudinary.state : "not used", d.cloudinary.configured ? `${d.cloudinary.waiting} wait to be sent` : "photos are kept here"));
  const s = d.series;
  byId("charts").replaceChildren(chart("Connections", s.connections), chart("Messages in 10 s", s.delivered),
    chart("Round trip in ms: average, 95 %", s.latencyAverage, s.latencyP95), chart("Submissions in 10 s", s.submissions), chart("Errors in 10 s", s.errors));
}

await load();
setInterval(() => { if (!document.hidden) load(); }, every);
