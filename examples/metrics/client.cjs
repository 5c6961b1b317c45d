// What the server counts: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

(async () => {
  const socket = io(process.argv[2]);
  const double = (n) => socket.timeout(20000).emitWithAck("double", n);
  assert.equal(await double(21), 42);
  assert.deepEqual(await double(-1), { error: "not below zero" });
  socket.emit("made up");
  assert.equal(await double(0), 0);
  const metrics = await (await fetch(`${process.argv[2]}/metrics`)).text();
  assert.match(metrics, /^socketio_connections 1$/m);
  assert.match(metrics, /^socketio_event_seconds_count{event="double",failed="no"} [12]$/m);
  assert.match(metrics, /^socketio_event_seconds_count{event="double",failed="yes"} 1$/m);
  assert.doesNotMatch(metrics, /made up/);
  socket.close();
})();
