// Both transports through nginx, from an address of its own: node client.cjs http://localhost:8080
const assert = require("node:assert");
const http = require("node:http");
const { io } = require("socket.io-client");

(async () => {
  for (const transport of ["polling", "websocket"]) {
    const socket = io(process.argv[2], {
      forceNew: true,
      transports: [transport],
      agent: new http.Agent({ localAddress: "127.0.0.2" }),
      extraHeaders: { "X-Forwarded-For": "192.0.2.7" }, // which it is not
    });
    assert.equal(await socket.timeout(20000).emitWithAck("transport"), transport);
    assert.equal(await socket.timeout(20000).emitWithAck("who am I"), "127.0.0.2");
    socket.close();
  }
})();
