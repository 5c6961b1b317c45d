// Official clients that move between servers, and say what they get:
//   node fleet.cjs COUNT URL...
// Lines on standard output: "c CLIENT RECOVERED REFUSED URL" for each connection, with the reason that our servers give for a
// new session, "j CLIENT" when it is in the room, "m CLIENT EVENT" for each event, and "moves N" at the end. Clients with an even number are in the room "room". "stay" on standard input ends the
// moves, and "end" everything.
const { io } = require("socket.io-client");

const [count, ...urls] = process.argv.slice(2);
const lines = [];
let moving = true;
let moves = 0;

const say = (line) => lines.push(line);
const flush = () => lines.length > 0 && process.stdout.write(lines.splice(0).join("\n") + "\n");
setInterval(flush, 20);

const anywhere = () => urls[Math.floor(Math.random() * urls.length)];

function start(client) {
  // Most go straight to WebSocket, as clients that move often are told to.
  const transports = client % 8 === 7 ? ["polling", "websocket"] : ["websocket"];
  const socket = io(anywhere(), { transports, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500, timeout: 5000 });
  const elsewhere = () => (socket.io.uri = anywhere());
  let refused = "";
  let inRoom = client % 2 === 1; // those with an odd number do not go there
  socket.io.on("reconnect_attempt", elsewhere);
  socket.io.decoder.on("decoded", (packet) => packet.type === 0 && (refused = packet.data.refused ?? "-"));
  socket.on("connect", () => {
    say(`c ${client} ${socket.recovered ? 1 : 0} ${refused} ${socket.io.uri}`);
    if (!socket.recovered && client % 2 === 0) inRoom = false;
    if (inRoom) return;
    socket.emit("join", "room", () => {
      inRoom = true;
      say(`j ${client}`);
    });
  });
  socket.on("disconnect", (reason) => {
    if (reason === "io server disconnect") socket.connect();
  });
  socket.on("m", (event) => say(`m ${client} ${event.node}/${event.n}`));
  const move = () => {
    if (!moving) return;
    if (socket.connected) {
      moves++;
      elsewhere();
      socket.io.engine.close();
    }
    setTimeout(move, 2000 + Math.random() * 8000);
  };
  setTimeout(move, 2000 + Math.random() * 8000);
}

for (let i = 0; i < Number(count); i++) start(i);

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    if (line === "stay") {
      moving = false;
      say(`moves ${moves}`);
    } else if (line === "end") process.exit(0);
  })
  .on("close", () => process.exit(0));
