// Connects one official client and prints what happens, one JSON object a line:
//   node listen.cjs PACKAGE URL TRANSPORTS [PID OFFSET]
// PACKAGE is a folder of node_modules; TRANSPORTS is "default" or a list such as "polling,websocket".
// PID and OFFSET are a session that another client had, for this one to offer.
// A line on standard input is a command: "drop" cuts the connection below Socket.IO, "session" prints the session that
// would be offered, "quit" ends.
const [, , name, url, transports, pid, offset] = process.argv;
const io = require(name);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const options = { reconnectionDelay: 50, reconnectionDelayMax: 200, timeout: 5000, forceNew: true };
if (transports !== "default") options.transports = transports.split(",");
const socket = (io.io || io)(url, options);
if (pid) Object.assign(socket, { _pid: pid, _lastOffset: offset }); // where the official client keeps them

socket.on("connect", () => {
  say({ type: "connect", id: socket.id, recovered: socket.recovered === true, transport: socket.io.engine.transport.name });
  const engine = socket.io.engine;
  const upgraded = () => say({ type: "upgrade", transport: engine.transport.name });
  if (engine.transport.name === "websocket") upgraded(); // it was before CONNECT was answered
  else engine.on("upgrade", upgraded);
});
socket.on("disconnect", (reason) => say({ type: "disconnect", reason }));
for (const event of ["newSubmission", "submissionUpdated", "submissionRemoved", "winnersUpdated", "revealUpdated", "server-shutdown"]) {
  socket.on(event, (payload) => say({ type: "event", event, payload }));
}

let rest = "";
process.stdin.on("data", (data) => {
  rest += data;
  const lines = rest.split("\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line === "drop") socket.io.engine.close();
    if (line === "session") say({ type: "session", pid: socket._pid, offset: socket._lastOffset });
    if (line === "quit") process.exit(0);
  }
});
process.stdin.on("end", () => process.exit(0));
