// Connects official clients, each to an address of its own, and prints what each receives, one line each:
//   node jitter.cjs PACKAGE DELAY URL…
// DELAY is the first reconnection delay in ms. "c CLIENT RECOVERED" is a connection, "e CLIENT CAPTION TIME" an event,
// with the time of its arrival in ms since the epoch.
const [, , name, delay, ...urls] = process.argv;
const io = require(name);

urls.forEach((url, c) => {
  const first = Number(delay);
  const socket = (io.io || io)(url, { reconnectionDelay: first, reconnectionDelayMax: 5 * first, timeout: 5000, forceNew: true });
  const say = (...words) => process.stdout.write(words.join(" ") + "\n");
  socket.on("connect", () => say("c", c, socket.recovered === true));
  socket.on("newSubmission", (payload) => say("e", c, payload.caption, performance.timeOrigin + performance.now()));
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
