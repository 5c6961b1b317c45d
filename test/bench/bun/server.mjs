// The peer "bun": the official server on Bun's own engine.
import { Server } from "socket.io";
import { Server as Engine } from "@socket.io/bun-engine";
import { address, control, serveSockets } from "../peer.mjs";

const engine = new Engine({ path: "/socket.io/", maxHttpBufferSize: 1e6 });
const io = new Server();
io.bind(engine);
serveSockets(io);

const [port, hostname] = address("--listen");
Bun.serve({ port, hostname, ...engine.handler() });
const [controlPort, controlHost] = address("--control");
Bun.serve({
  port: controlPort,
  hostname: controlHost,
  fetch: async (req) => new Response(await control(io, () => Bun.gc(true), new URL(req.url))),
});
