// The peer "bun": the official server on Bun's own engine.
import { Server } from "socket.io";
import { Server as Engine } from "@socket.io/bun-engine";
import { address, control, options, serveSockets } from "../peer.mjs";

const { perMessageDeflate, ...rest } = options();
const engine = new Engine({ path: "/socket.io/", maxHttpBufferSize: 1e6 });
const io = new Server(rest);
io.bind(engine);
serveSockets(io);

const handler = engine.handler();
handler.websocket.perMessageDeflate = perMessageDeflate;
const [port, hostname] = address("--listen");
Bun.serve({ port, hostname, ...handler });
const [controlPort, controlHost] = address("--control");
Bun.serve({
  port: controlPort,
  hostname: controlHost,
  fetch: async (req) => new Response(control(io, () => Bun.gc(true), new URL(req.url), await req.text())),
});
