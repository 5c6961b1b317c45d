// Opens many official clients and reports when all broadcasts arrived, in order:
//   node burst.cjs PACKAGE URL TRANSPORTS CLIENTS MESSAGES
// It prints "connected", then, once the last message came or nothing came for ten seconds,
// {"complete","wrong","upgraded"}: how many clients got everything in order, what the first
// other one saw, and how many moved to WebSocket.
const [, , name, url, transports, clients, messages] = process.argv;
const { io } = require(name);

const want = Number(messages);
const state = [];
let connected = 0;
let upgraded = 0;
let last = Date.now();

for (let i = 0; i < Number(clients); i++) {
  const options = { forceNew: true, reconnection: false, timeout: 60_000 };
  if (transports !== "default") options.transports = transports.split(",");
  const socket = io(url, options);
  const mine = { next: 0, wrong: "" };
  state.push(mine);
  socket.on("connect", () => {
    socket.io.engine.on("upgrade", () => upgraded++);
    if (++connected === Number(clients)) console.log("connected");
  });
  socket.on("disconnect", (reason) => (mine.wrong ||= `disconnected after ${mine.next}: ${reason}`));
  socket.on("m", (n) => {
    if (n !== mine.next) mine.wrong ||= `got ${n}, want ${mine.next}`;
    mine.next = n + 1;
    last = Date.now();
  });
}

const timer = setInterval(() => {
  const complete = state.filter((s) => s.next === want && !s.wrong).length;
  if (complete < state.length && Date.now() - last < 10_000) return;
  clearInterval(timer);
  const bad = state.find((s) => s.next !== want || s.wrong);
  console.log(JSON.stringify({ complete, upgraded, wrong: bad ? bad.wrong || `ended at ${bad.next}` : "" }));
  process.exit(0);
}, 50);
