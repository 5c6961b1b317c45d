import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { load } from "./load.mjs";

const require = createRequire(import.meta.url);
const { guardUpgrade } = await load("guard-upgrade.js");

/** A server whose WebSockets break when a probe was answered, and that answers the poll after that. */
async function breakingServer(ws) {
  const sockets = new ws.WebSocketServer({ noServer: true });
  let poll;
  const answer = (text) => { poll?.end(text); poll = null; };
  const server = createServer((request, response) => {
    if (!request.url.includes("sid=")) {
      const open = { sid: "a", upgrades: ["websocket"], pingInterval: 60000, pingTimeout: 60000, maxPayload: 1e6 };
      response.end("0" + JSON.stringify(open));
    } else if (request.method === "POST") {
      request.resume();
      request.on("end", () => { response.end("ok"); answer('40{"sid":"b"}'); });
    } else {
      poll = response;
    }
  });
  server.on("upgrade", (request, socket, head) => sockets.handleUpgrade(request, socket, head, (socket) => {
    socket.on("message", () => socket.send("3probe", () => socket.close()));
    socket.on("close", () => answer("6"));
  }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

test("a client whose WebSocket breaks at the last step of its upgrade does not stay silent", async (t) => {
  let io, ws;
  try {
    ({ io } = require("socket.io-client"));
    ws = require("ws");
  } catch {
    return t.skip("the official client is missing: run make node");
  }
  const server = await breakingServer(ws);
  const socket = io(`http://127.0.0.1:${server.address().port}`, { reconnection: false });
  try {
    socket.io.on("open", () => guardUpgrade(socket.io.engine));
    const [reason] = await once(socket, "disconnect");
    assert.equal(reason, "forced close"); // not "ping timeout", two minutes later
  } finally {
    socket.close();
    server.closeAllConnections();
    server.close();
  }
});
