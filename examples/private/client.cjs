// Ada writes to Bob, who has two tabs: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

const url = process.argv[2];
const connected = (socket) => new Promise((resolve) => socket.once("connect", () => resolve(socket)));

async function signIn(name) {
  const response = await fetch(`${url}/sign-in?name=${name}`, { method: "POST" });
  const cookie = response.headers.get("set-cookie").split(";")[0]; // which a browser keeps by itself
  return () => connected(io(url, { forceNew: true, extraHeaders: { cookie } }));
}

(async () => {
  const stranger = io(url, { forceNew: true });
  const refused = await new Promise((resolve) => stranger.once("connect_error", resolve));
  assert.equal(refused.message, "sign in first");
  stranger.close();

  const ada = await (await signIn("Ada"))();
  const tab = await signIn("Bob");
  const bob = [await tab(), await tab()];
  const got = bob.map((socket) => new Promise((resolve) => socket.once("message", resolve)));
  const write = (message) => ada.timeout(20000).emitWithAck("message", message);
  assert.equal(await write({ to: "Bob", from: "Eve", text: "hi" }), true);
  assert.equal(await write({ to: "Carol", text: "hi" }), false);
  for (const message of await Promise.all(got)) {
    assert.deepEqual(message, { to: "Bob", from: "Ada", text: "hi" });
  }
  [ada, ...bob].forEach((socket) => socket.close());
})();
