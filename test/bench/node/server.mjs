// The peer "node": the official server with ws, as its documentation sets it up.
import { createServer } from "node:http";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Server } from "socket.io";
import { address, control, serveSockets } from "../peer.mjs";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

const http = createServer();
const io = new Server(http, serveSockets.options());
serveSockets(io);
createServer((req, res) => control(io, gc, new URL(req.url, "http://x")).then((body) => res.end(body)))
  .listen(...address("--control"));
http.listen(...address("--listen"));
