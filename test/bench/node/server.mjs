// The peer "node": the official server with ws, as its documentation sets it up.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Server } from "socket.io";
import { address, control, options, serveSockets } from "../peer.mjs";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

const http = createServer();
const io = new Server(http, options());
serveSockets(io);
createServer(async (req, res) => res.end(control(io, gc, new URL(req.url, "http://x"), await text(req))))
  .listen(...address("--control"));
http.listen(...address("--listen"));
