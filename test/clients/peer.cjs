// The official server with its recovery in memory, as the peer of tests:
//   node peer.cjs PORT
// POST /emit with a JSON body sends the body to everybody as newSubmission and answers when it was emitted.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer((req, res) => {
  if (req.method !== "POST" || req.url !== "/emit") return res.end("ready");
  let body = "";
  req.on("data", (data) => (body += data));
  req.on("end", () => {
    io.emit("newSubmission", JSON.parse(body));
    res.end("ok");
  });
});
const io = new Server(http, {
  pingInterval: 30_000,
  pingTimeout: 15_000,
  connectionStateRecovery: { maxDisconnectionDuration: 5 * 60_000, skipMiddlewares: true },
});
io.on("connection", (socket) => socket.on("echo", (value, answer) => answer(value)));
http.listen(Number(process.argv[2]), "127.0.0.1");
