// Runs every check of the interop matrix with one official client over one transport:
//   node interop.cjs PACKAGE URL TRANSPORTS [PARSER]
// Each check prints {"check","ok","detail"}; the last line is {"check":"done"}.
const [, , name, url, transports, parser] = process.argv;
const io = require(name);
const connect = io.io || io;
const old = name.endsWith("-2.5");

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const opened = [];

function open(namespace = "/", more = {}) {
  const options = { reconnectionDelay: 20, reconnectionDelayMax: 50, forceNew: true, ...more };
  if (transports !== "default") options.transports = transports.split(",");
  if (parser) options.parser = require(parser);
  const socket = connect(url + namespace, options);
  opened.push(socket);
  return socket;
}

// once resolves with the arguments of the next such event.
const once = (socket, event) => new Promise((resolve) => socket.once(event, (...args) => resolve(args)));

// call emits and resolves with the arguments of the acknowledgement.
const call = (socket, event, ...args) => new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));

function same(got, want) {
  const plain = (value) =>
    JSON.stringify(value, (_, v) => {
      if (v && v.type === "Buffer") return { binary: v.data };
      if (v instanceof ArrayBuffer) return { binary: [...new Uint8Array(v)] };
      return v;
    });
  if (plain(got) !== plain(want)) throw new Error(`got ${plain(got)}, want ${plain(want)}`);
}

const text = "ünï \u2028 \u0000 \u{1f600} \"quoted\" \\ " + "long ".repeat(3000);
const nested = { a: [1, -2.5, null, true, { b: "c" }], "": {}, text };
const bytes = Buffer.from([0, 1, 127, 128, 255]);

const checks = {
  async connect() {
    const socket = open();
    await once(socket, "connect");
    if (typeof socket.id !== "string" || !socket.id) throw new Error("no id");
    if (transports === "default" && socket.io.engine.transport.name !== "websocket") {
      await new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
    }
  },
  async events() {
    const socket = open();
    const answer = once(socket, "back");
    socket.emit("echo", 1, "two", nested, null, []);
    same(await answer, [1, "two", nested, null, []]);
  },
  async order() {
    const socket = open();
    const got = [];
    const all = new Promise((resolve) => socket.on("back", (n) => got.push(n) === 500 && resolve()));
    for (let n = 0; n < 500; n++) socket.emit("echo", n);
    await all;
    same(got, [...Array(500).keys()]);
  },
  async acks() {
    const socket = open();
    same(await call(socket, "ack", "x", nested, 7), ["x", nested, 7]);
    same(await call(socket, "ack"), []);
  },
  async "server acks"() {
    const socket = open();
    socket.on("question", (n, answer) => answer(n * 2, "yes"));
    same(await call(socket, "ask", 21), [42, "yes"]);
  },
  async binary() {
    const socket = open();
    const answer = once(socket, "back");
    socket.emit("echo", bytes, { deep: [bytes, "between", bytes] }, Buffer.alloc(0));
    same(await answer, [bytes, { deep: [bytes, "between", bytes] }, Buffer.alloc(0)]);
    const large = Buffer.alloc(200_000, 7);
    same(await call(socket, "ack", large), [large]);
  },
  async "server acks binary"() {
    const socket = open();
    socket.on("question", (n, answer) => answer(bytes, { n }));
    same(await call(socket, "ask", 1), [bytes, { n: 1 }]);
  },
  async namespaces() {
    const socket = open("/room/one");
    same(await call(socket, "where"), ["/room/one"]);
    const other = open("/room/two", { forceNew: false });
    same(await call(other, "where"), ["/room/two"]);
    const gone = once(socket, "disconnect");
    socket.disconnect();
    same((await gone)[0], "io client disconnect");
    same(await call(other, "where"), ["/room/two"]);
  },
  async "middleware error"() {
    const socket = open("/closed");
    const [error] = await once(socket, old ? "error" : "connect_error");
    if (old) return same(error, { reason: "members only" }); // 2.x gives the data alone
    same([error.message, error.data], ["not you", { reason: "members only" }]);
  },
  async auth() {
    const socket = old ? open("/", { query: { token: "abc" } }) : open("/", { auth: { token: "abc" } });
    same(await call(socket, "token"), ["abc"]);
  },
  async rooms() {
    const [a, b, c] = [open(), open(), open()];
    const room = `r-${Math.random()}`;
    await Promise.all([call(a, "join", room), call(b, "join", room), call(c, "join", "elsewhere")]);
    const got = [];
    for (const [who, socket] of Object.entries({ a, b, c })) socket.on("news", (n) => got.push(who + n));
    await call(a, "to-room", room, 1); // to the others in it
    await call(b, "leave", room);
    await call(c, "to-room", room, 2); // to a alone
    await Promise.all([call(a, "ack"), call(b, "ack"), call(c, "ack")]);
    same(got.sort(), ["a2", "b1"]);
  },
  async volatile() {
    const socket = open();
    await once(socket, "connect");
    let got = 0;
    socket.on("maybe", () => got++);
    await call(socket, "volatile", 50);
    await call(socket, "ack");
    if (got > 50) throw new Error(`${got} of 50 came`);
    if (transports === "websocket" && got === 0) throw new Error("none came");
  },
  async "server disconnects"() {
    const socket = open();
    const gone = once(socket, "disconnect");
    socket.emit("kick");
    same((await gone)[0], "io server disconnect");
  },
  async reconnects() {
    const socket = open();
    await once(socket, "connect");
    const before = socket.id;
    const gone = once(socket, "disconnect");
    const back = once(socket, "connect");
    socket.io.engine.close();
    const [reason] = await gone;
    await back;
    if (socket.id === before) throw new Error("the same id without recovery");
    same(await call(socket, "ack", reason !== ""), [true]);
  },
};

async function main() {
  for (const [check, run] of Object.entries(checks)) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("no answer within 5 s")), 5_000)));
    try {
      await Promise.race([run(), late]);
      say({ check, ok: true });
    } catch (error) {
      say({ check, ok: false, detail: error.message.slice(0, 300) });
    }
    clearTimeout(timer);
    while (opened.length) opened.pop().close();
  }
  say({ check: "done", ok: true });
  process.exit(0);
}
main();
