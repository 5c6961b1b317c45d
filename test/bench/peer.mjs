// What the JavaScript peers share: the events they answer and their control address.

// address is the port and host that follow a flag.
export function address(flag) {
  const at = process.argv.indexOf(flag);
  const [, host, port] = /^(.*):(\d+)$/.exec(process.argv[at + 1]);
  return [Number(port), host];
}

// serveSockets registers what the load program uses.
export function serveSockets(io) {
  io.on("connection", (socket) => {
    socket.on("echo", (arg, answer) => answer(arg));
    socket.on("join", (room, answer) => { socket.join(room); answer(room); });
    socket.on("leave", (room, answer) => { socket.leave(room); answer(room); });
  });
}
serveSockets.options = () => ({ perMessageDeflate: process.argv.includes("--deflate") });

// control answers /broadcast?n=N&size=S[&rooms=R], /gc and /stats.
export async function control(io, gc, url) {
  if (url.pathname === "/broadcast") {
    const text = "x".repeat(Number(url.searchParams.get("size")));
    const rooms = Number(url.searchParams.get("rooms"));
    const n = Number(url.searchParams.get("n"));
    for (let i = 0; i < n; i++) (rooms ? io.to(`room${i % rooms}`) : io).emit("m", text);
  } else if (url.pathname === "/gc") {
    gc();
  }
  return JSON.stringify({ connected: io.engine.clientsCount ?? io.sockets.sockets.size });
}
