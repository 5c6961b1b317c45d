// Polling, WebSocket and HTTP/2 over TLS: NODE_EXTRA_CA_CERTS=cert.pem node client.cjs https://localhost:3000
const assert = require("node:assert");
const http2 = require("node:http2");
const { io } = require("socket.io-client");

(async () => {
  for (const transport of ["polling", "websocket"]) {
    const socket = io(process.argv[2], { forceNew: true, transports: [transport] });
    assert.equal(await socket.timeout(20000).emitWithAck("transport"), transport);
    socket.close();
  }
  const session = http2.connect(process.argv[2]);
  const poll = session.request({ ":path": "/socket.io/?EIO=4&transport=polling" });
  const status = new Promise((resolve) => poll.once("response", (headers) => resolve(headers[":status"])));
  assert.equal(await status, 200);
  session.destroy();
})();
