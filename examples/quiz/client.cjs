// Somebody asks and answers: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

(async () => {
  const socket = io(process.argv[2]);
  const asked = new Promise((resolve) => socket.once("question", resolve));
  await socket.timeout(20000).emitWithAck("ask", "six times seven?", 42);
  assert.equal(await asked, "six times seven?");
  const result = new Promise((resolve) => socket.once("result", (right, all) => resolve([right, all])));
  await socket.timeout(20000).emitWithAck("answer", 42);
  assert.deepEqual(await result, [1, 1]); // ten seconds later
  socket.close();
})();
