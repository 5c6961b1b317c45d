// Two people at two servers, of which the first dies:
//   node clients.cjs http://localhost:3000 http://localhost:3001
// "die" on standard output asks for its death, and a line on standard input says that it has died.
const assert = require("node:assert");
const { once } = require("node:events");
const { io } = require("socket.io-client");

(async () => {
  const [first, second] = process.argv.slice(2);
  const ada = io(first, { forceNew: true, reconnectionDelay: 50 });
  const bob = io(second, { forceNew: true });
  const heard = [];
  ada.on("said", (text) => heard.push(text));
  const say = (text) => bob.timeout(20000).emitWithAck("say", text);
  await Promise.all([ada, bob].map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
  await say("one");
  ada.io.on("reconnect_attempt", () => (ada.io.uri = second));
  const back = new Promise((resolve) => ada.io.once("reconnect", resolve));
  console.log("die");
  await once(process.stdin, "data");
  await say("two"); // while she is away, or not yet there
  await back;
  await say("three");
  while (heard.length < 3) await new Promise((resolve) => ada.once("said", resolve));
  assert.deepEqual(heard, ["one", "two", "three"]);
  assert.ok(ada.recovered);
  process.exit(0);
})();
