// Ada is away while Bob says something and the server is killed:
//   node clients.cjs http://localhost:3000
// "die" on standard output asks for its death and a new start, and a line on standard input
// says that it serves again.
const assert = require("node:assert");
const { once } = require("node:events");
const { io } = require("socket.io-client");

const event = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

(async () => {
  const url = process.argv[2];
  const ada = io(url, { forceNew: true, reconnection: false });
  const bob = io(url, { forceNew: true, reconnectionDelay: 50 });
  const say = (text) => bob.timeout(20000).emitWithAck("say", "lobby", text);
  const heard = [];
  ada.on("said", (text) => heard.push(text));

  await ada.timeout(20000).emitWithAck("join", "lobby");
  await say("one");
  while (heard.length < 1) await event(ada, "said");
  const { id } = ada;
  ada.io.engine.close(); // as where the network fails
  await say("two");

  const back = event(bob.io, "reconnect");
  console.log("die");
  await once(process.stdin, "data");
  await back;
  await say("three");
  ada.connect();
  await event(ada, "connect");
  await say("four");
  while (heard.length < 4) await event(ada, "said");
  assert.deepEqual(heard, ["one", "two", "three", "four"]);
  assert.ok(ada.recovered);
  assert.equal(ada.id, id);
  process.exit(0);
})();
