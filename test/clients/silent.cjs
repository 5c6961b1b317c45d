// Upgrades clients through a proxy that cuts each once, and counts those that hear nothing for 3 s afterwards:
//   node silent.cjs URL CLIENTS AT_A_TIME
// prints {"silent","upgraded"}: how many ended so, and how many had their WebSocket in the end.
const io = require("socket.io-client");
const [, , url, clients, atATime] = process.argv;

let next = 0;
const report = { silent: 0, upgraded: 0 };

async function one() {
  const n = next++;
  const socket = io(url, { query: { n }, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 50 });
  await new Promise((resolve) => socket.once("connect", resolve));
  await new Promise((resolve) => setTimeout(resolve, 200)); // the cut is behind it
  try {
    await socket.timeout(3_000).emitWithAck("echo", n);
  } catch {
    report.silent++;
  }
  if (socket.io.engine?.transport?.name === "websocket") report.upgraded++;
  socket.io.engine?.removeAllListeners("upgradeError");
  socket.io.reconnection(false);
  const transport = socket.io.engine;
  if (transport) transport.upgrading = false; // else a silent one is never closed
  socket.close();
}

async function some() {
  while (next < Number(clients)) await one();
}

Promise.all(Array.from({ length: Number(atATime) }, some)).then(() => {
  console.log(JSON.stringify(report));
  process.exit(0);
});
