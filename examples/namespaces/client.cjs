// Two people read and edit documents: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { Manager } = require("socket.io-client");

const next = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

(async () => {
  const [ada, bob] = [0, 1].map(() => new Manager(process.argv[2])); // a connection each
  const open = (manager, number, name) => manager.socket(`/documents/${number}`, { auth: { name } });
  const main = ada.socket("/");
  const ask = (event, ...args) => main.timeout(20000).emitWithAck(event, ...args);

  const refused = await next(open(bob, 2, "Bob"), "connect_error");
  assert.equal(refused[0].message, "not for you");
  const unknown = await next(bob.socket("/documents/two"), "connect_error");
  assert.equal(unknown[0].message, "Invalid namespace");

  const [one, other, two] = [open(ada, 1, "Ada"), open(bob, 1, "Bob"), open(ada, 2, "Ada")];
  await Promise.all([one, other, two].map((socket) => next(socket, "connect")));
  assert.deepEqual(await ask("open documents"), ["1", "2"]);
  two.on("edited", () => assert.fail("an edit reaches another document"));
  const edited = next(other, "edited");
  one.emit("edit", "a line");
  assert.deepEqual(await edited, ["Ada", "a line"]);

  const announced = Promise.all([one, other, two].map((socket) => next(socket, "announcement")));
  await ask("announce", "closing at six");
  assert.deepEqual(await announced, [["closing at six"], ["closing at six"], ["closing at six"]]);

  two.disconnect();
  while ((await ask("open documents")).length > 1);
  assert.deepEqual(await ask("open documents"), ["1"]);
  [main, one, other].forEach((socket) => socket.disconnect());
  bob._close();
})();
