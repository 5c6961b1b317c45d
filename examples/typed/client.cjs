// Somebody with a task: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

(async () => {
  const socket = io(process.argv[2]);
  const ask = (...args) => socket.timeout(20000).emitWithAck(...args);
  const added = new Promise((resolve) => socket.once("added", resolve));
  assert.deepEqual(await ask("add", ""), { error: "a task needs a title" });
  assert.deepEqual(await ask("add", "tea"), { id: 1, title: "tea", done: false });
  assert.equal((await added).title, "tea");
  socket.on("sure?", (id, why, answer) => answer(why === "cold"));
  assert.deepEqual(await ask("finish", 1, "no reason"), { error: "not confirmed" });
  assert.deepEqual(await ask("finish", 1, "cold"), { id: 1, title: "tea", done: true });
  assert.deepEqual(await ask("finish", 2, "cold"), { error: "there is no such task" });
  socket.close();
})();
