// One address that asks for too much: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

const url = process.argv[2];
const connect = () => {
  const socket = io(url, { forceNew: true, reconnection: false });
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.once("connect_error", (error) => resolve(error));
  });
};
const refused = async (limit) => (await (await fetch(`${url}/refusals`)).json()).find((r) => r.Limit === limit).Address;

(async () => {
  const sockets = [await connect(), await connect(), await connect()];
  const fourth = await connect();
  assert.equal(fourth.description, 403); // the status of what was refused
  assert.equal(await refused("connections"), 1);

  const ask = (event, arg) => sockets[0].timeout(20000).emitWithAck(event, arg);
  assert.equal(await ask("vote", "a"), "counted");
  assert.equal(await ask("vote", "a"), "counted");
  const third = await ask("vote", "a");
  assert.equal(third.error, "too many votes");
  assert.ok(third.data.retryAfter > 0 && third.data.retryAfter <= 10);

  // More than the burst at once: nothing is lost, it takes a while.
  const answers = await Promise.all(Array.from({ length: 250 }, (_, i) => ask("echo", i)));
  assert.deepEqual(answers, Array.from({ length: 250 }, (_, i) => i));
  assert.ok((await refused("messages")) > 0);
  sockets.forEach((socket) => socket.close());
})();
