// Connects a number of official clients in one process and prints what each receives, one JSON object a line:
//   node crowd.cjs PACKAGE URL TRANSPORTS NUMBER [patient]
// They come back as fast as they can or, when patient, at the clients' own pace.
// {"c":client,"t":"connect","recovered":bool}, {"c":client,"t":"event","id":submission} and {"c":client,"t":"shutdown"},
// and before a connect that the server did not recover {"c":client,"t":"refused","why":reason}.
const [, , name, url, transports, number, pace] = process.argv;
const io = require(name);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

for (let c = 0; c < Number(number); c++) {
  const options = { forceNew: true };
  if (pace !== "patient") Object.assign(options, { reconnectionDelay: 50, reconnectionDelayMax: 300, timeout: 3000 });
  if (transports !== "default") options.transports = transports.split(",");
  const socket = (io.io || io)(url, options);
  // What official clients pass over: why the session that they offered was not taken up. (A CONNECT packet has type 0.)
  socket.io.on("packet", ({ type, data }) => type === 0 && data?.refused && say({ c, t: "refused", why: data.refused }));
  socket.on("connect", () => say({ c, t: "connect", recovered: socket.recovered === true }));
  socket.on("server-shutdown", () => say({ c, t: "shutdown" }));
  socket.on("newSubmission", (payload) => say({ c, t: "event", id: payload.id }));
}
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
