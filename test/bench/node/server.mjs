// The peer "node": the official server with ws, as its documentation sets it up, alone or, with --cluster, one of several.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Server } from "socket.io";
import { address, control, options, serveSockets } from "../peer.mjs";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");

// Loaded where it is asked for only: the rows about one server measure its memory.
const cluster = process.argv.includes("--cluster") && (await import("./cluster.mjs"));

// The same goes for what serves TLS.
const [cert, key] = ["--cert", "--key"].map((flag) => process.argv.includes(flag) && readFileSync(process.argv[process.argv.indexOf(flag) + 1]));
const http = cert ? (await import("node:https")).createServer({ cert, key }) : createServer();
const io = new Server(http, { ...options(), ...(cluster && { adapter: await cluster.adapter() }) });
serveSockets(io);
createServer(async (req, res) => {
  const url = new URL(req.url, "http://x");
  if (cluster && url.pathname === "/emits") await cluster.emits(io, url);
  res.end(control(io, gc, url, await text(req)));
}).listen(...address("--control"));
http.listen(...address("--listen"));
