// Official clients, each with an address of its own, that say what happens to them:
//   node guests.cjs URL TRANSPORTS FIRST COUNT
// They are numbered from FIRST. Lines on standard output: "c GUEST RECOVERED SESSION" for a connection, with the id that
// Engine.IO has for it, "d GUEST" for its end, and "m GUEST OFFSET" for each event that has an offset.
const { io } = require("socket.io-client");

const [url, transports, first, count] = process.argv.slice(2);
const lines = [];
const say = (...words) => lines.push(words.join(" "));
setInterval(() => lines.length > 0 && process.stdout.write(lines.splice(0).join("\n") + "\n"), 5);

for (let guest = Number(first); guest < Number(first) + Number(count); guest++) {
  const options = { forceNew: true, extraHeaders: { "X-Forwarded-For": `10.1.${guest >> 8}.${guest & 255}` } };
  if (transports !== "default") options.transports = [transports];
  const socket = io(url, options);
  socket.on("connect", () => say("c", guest, socket.recovered ? 1 : 0, socket.io.engine.id));
  socket.on("disconnect", () => say("d", guest));
  socket.onAny((_event, ...args) => {
    const last = args.at(-1);
    if (typeof last === "string" && last.startsWith("~")) say("m", guest, last);
  });
}
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
