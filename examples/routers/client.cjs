// Both transports, and a page beside: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

(async () => {
  assert.equal(await (await fetch(process.argv[2])).text(), "a page");
  for (const transport of ["polling", "websocket"]) {
    const socket = io(process.argv[2], { forceNew: true, transports: [transport] });
    assert.equal(await socket.timeout(20000).emitWithAck("hello", "Ada"), "hello Ada");
    socket.close();
  }
})();
