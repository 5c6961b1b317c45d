// A file in pieces: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { createHash, randomBytes } = require("node:crypto");
const { io } = require("socket.io-client");

(async () => {
  const socket = io(process.argv[2]);
  const send = (...args) => socket.timeout(20000).emitWithAck(...args);
  const file = randomBytes(1 << 20);
  let last;
  for (let at = 0; at < file.length; at += 256 << 10) {
    last = await send("piece", file.subarray(at, at + (256 << 10)));
  }
  assert.deepEqual(last, { size: file.length, sha256: createHash("sha256").update(file).digest("hex") });
  assert.equal(await send("cancel"), true);
  assert.deepEqual(await send("piece", Buffer.from("more")), { error: "cancelled" });
  socket.close();
})();
