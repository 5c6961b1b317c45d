// An official server with its Redis Streams adapter and connection state recovery:
//   node official.cjs NAME REDIS_URL PORT CONTROL_PORT
// It takes the events and answers the requests that this test makes of the conformance server: see test/conformance.
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter");
const { createClient } = require("redis");

const [name, url, port, control] = process.argv.slice(2);
let sent = 0;

async function main() {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  const io = new Server(createServer().listen(Number(port), "127.0.0.1"), {
    adapter: createAdapter(client),
    connectionStateRecovery: { maxDisconnectionDuration: 120_000 },
  });
  io.on("connection", (socket) => {
    socket.on("join", (room, answer) => {
      socket.join(room);
      answer();
    });
  });
  createServer((request, response) => {
    const query = new URL(request.url, "http://localhost").searchParams;
    const room = query.get("room");
    (room ? io.to(room) : io).emit("m", { node: name, n: sent++ });
    response.end("{}");
  }).listen(Number(control), "127.0.0.1", () => console.log("ready"));
}

main();
