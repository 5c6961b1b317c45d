// Two people in a room: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

(async () => {
  const [ada, bob] = [0, 1].map(() => io(process.argv[2], { forceNew: true }));
  assert.deepEqual(await ada.timeout(20000).emitWithAck("join", ""), { error: "which room?" });
  assert.equal(await ada.timeout(20000).emitWithAck("join", "lobby"), 1);
  assert.equal(await bob.timeout(20000).emitWithAck("join", "lobby"), 2);
  const said = new Promise((resolve) => bob.once("said", resolve));
  ada.emit("say", { room: "lobby", text: "hello", from: "somebody else" });
  assert.deepEqual(await said, { room: "lobby", text: "hello", from: ada.id });
  ada.close();
  bob.close();
})();
