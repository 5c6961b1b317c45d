// The official client, measured as control.Measure does in Go.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const { values } = parseArgs({ options: { server: { type: "string" }, control: { type: "string" }, count: { type: "string" } } });
const count = Number(values.count);
const cpu = () => { const u = process.cpuUsage(); return u.user + u.system; };
const resident = () => { gc(); return process.memoryUsage().rss; };

let received = 0;
const open = () => new Promise((resolve, reject) => {
  const s = io("http://" + values.server, { transports: ["websocket"], forceNew: true });
  s.on("m", () => received++);
  s.once("connect", () => resolve(s));
  s.once("connect_error", reject);
});

const before = resident();
let spent = cpu();
const sockets = [];
let opened = 0;
await Promise.all(Array.from({ length: 50 }, async () => { while (opened++ < count) sockets.push(await open()); }));
const connect = (cpu() - spent) / count;
const kb = (resident() - before) / 1024 / count;
spent = cpu();
await Promise.all(sockets.slice(0, 64).map(async (s) => { for (let n = 0; n < 200; n++) await s.emitWithAck("echo", n); }));
const trip = (cpu() - spent) / (64 * 200);
spent = cpu();
await fetch(`http://${values.control}/broadcast?n=20&size=64`);
while (received < 20 * count) await new Promise((r) => setTimeout(r, 10));
const event = (cpu() - spent) / (20 * count);
console.log(JSON.stringify({ kb, connect, trip, event }));
process.exit(0);
