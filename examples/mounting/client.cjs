// Both transports, and the way from one to the other, with a page beside:
//   node client.cjs http://localhost:3000 [path]
const assert = require("node:assert");
const { io } = require("socket.io-client");

const [url, path = "/socket.io/"] = process.argv.slice(2);

(async () => {
  assert.equal(await (await fetch(url)).text(), "a page");
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    const headers = { "X-Agent": `agent of ${transports}` };
    const socket = io(url, { path, forceNew: true, transports, extraHeaders: headers });
    if (transports.length === 2) {
      await new Promise((resolve) => socket.io.once("open", () => socket.io.engine.once("upgrade", resolve)));
    }
    for (let i = 0; i < 5; i++) {
      const answer = await socket.timeout(20000).emitWithAck("hello", "Ada");
      assert.equal(answer, `hello Ada by ${transports.at(-1)}`);
      assert.equal(await socket.timeout(20000).emitWithAck("agent"), headers["X-Agent"]);
    }
    socket.close();
  }
})();
