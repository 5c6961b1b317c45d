// What the JavaScript peers share: the events they answer and their control address.

// address is the port and host that follow a flag.
export function address(flag) {
  const at = process.argv.indexOf(flag);
  const [, host, port] = /^(.*):(\d+)$/.exec(process.argv[at + 1]);
  return [Number(port), host];
}

// options are the server's, from the flags.
export function options() {
  return {
    perMessageDeflate: process.argv.includes("--deflate"),
    ...(process.argv.includes("--recovery") && { connectionStateRecovery: {} }),
  };
}

// serveSockets registers what the load program uses.
export function serveSockets(io) {
  io.on("connection", (socket) => {
    socket.on("echo", (arg, answer) => answer(arg));
    socket.on("join", (room, answer) => { socket.join(room); answer(room); });
    socket.on("leave", (room, answer) => { socket.leave(room); answer(room); });
  });
}

let count = 0;

// control answers what control/control.go says, which see. body is a POST's.
export function control(io, gc, url, body) {
  const number = (name) => Number(url.searchParams.get(name));
  if (url.pathname === "/broadcast") {
    const size = number("size");
    const rooms = number("rooms");
    const filler = number("words") ? words(size) : "x".repeat(size);
    for (let i = 0, n = number("n"); i < n; i++) {
      count++;
      const text = size < 10 ? filler : String(count).padStart(10, "0") + filler.slice(10);
      (rooms ? io.to(`room${i % rooms}`) : io).emit("m", number("binary") ? Buffer.from(text) : text);
    }
  } else if (url.pathname === "/submit") {
    io.emit("m", body);
  } else if (url.pathname === "/gc") {
    gc();
  }
  return JSON.stringify({ connected: io.engine.clientsCount ?? io.sockets.sockets.size });
}

// words is text of n bytes that is neither all the same nor random.
function words(n) {
  let text = "";
  for (let i = 0; text.length < n; i++) text += `photo ${(i * 7919) % 1000} by somebody in row ${(i * 104729) % 97}; `;
  return text.slice(0, n);
}
