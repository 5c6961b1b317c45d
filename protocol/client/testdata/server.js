// A server for the client's tests. argv: the package of the server, JSON of its options, port.
const pkg = process.argv[2];
const options = JSON.parse(process.argv[3] || "{}");
if (options.msgpack) options.parser = require("socket.io-msgpack-parser");
const http = options.tls ? require("https").createServer(options.tls) : require("http").createServer();
const io = require(pkg)(http, options);

function serve(socket) {
  const handshake = socket.handshake;
  socket.on("echo", (...args) => {
    const ack = typeof args[args.length - 1] === "function" ? args.pop() : null;
    if (ack) ack(...args);
    else socket.emit("echo", ...args);
  });
  socket.on("ask", (event, ...args) => socket.emit(event, ...args, (...answer) => socket.emit("answer", ...answer)));
  socket.on("burst", (n) => { for (let i = 0; i < n; i++) socket.emit("n", i); });
  socket.on("silent", (ack) => {});
  socket.on("kick", () => socket.disconnect());
  socket.on("kick all", () => socket.disconnect(true));
  socket.on("drop", () => socket.conn.close());
  socket.on("about", (ack) => ack({
    auth: handshake.auth || null, query: handshake.query, headers: handshake.headers, transport: socket.conn.transport.name,
  }));
  socket.on("id", (ack) => ack(socket.id));
  socket.on("date", (ack) => ack(new Date(0), { date: new Date(0) }));
  socket.on("say", (room, event, ...args) => socket.to(room).emit(event, ...args));
  socket.on("join", (room, ack) => { socket.join(room); ack(); });
}

io.on("connection", serve);
io.of("/chat").on("connection", serve);
io.of("/refused").use((socket, next) => {
  const err = new Error("not you");
  err.data = { code: 7 };
  next(err);
});

// Orders come as lines of JSON on standard input: to say something to a room while its
// members may be away.
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  io.to(order.room).emit(order.event, ...order.args);
}).on("close", () => process.exit(0));

http.listen(Number(process.argv[4]), "127.0.0.1", () => console.log(http.address().port));
