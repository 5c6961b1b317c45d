// One official server of a cluster, and official clients, obeying lines of JSON.
//   node node.cjs WIRE URL NODE_MODULES
// Each line is {id, op, …}; each is answered by {id, result} or {id, error}. What clients
// get is told as {client, event, args}; bytes are {"hex": …}.
const [wire, url, modules] = process.argv.slice(2);
const load = (name) => require(require.resolve(name, { paths: [modules] }));
const { Server } = load("socket.io");
const { io: connect } = load("socket.io-client");
const say = (line) => process.stdout.write(JSON.stringify(line, (_, v) => (v?.type === "Buffer" ? { hex: Buffer.from(v.data).toString("hex") } : v)) + "\n");
const bytes = (v) => (v?.hex ? Buffer.from(v.hex, "hex") : v);

async function onRedis() {
  const client = () => load("redis").createClient({ url }).on("error", () => {}).connect();
  const writer = await client();
  if (wire === "streams") return { adapter: load("@socket.io/redis-streams-adapter").createAdapter(writer) };
  const { createAdapter, createShardedAdapter } = load("@socket.io/redis-adapter");
  if (wire !== "classic") return { adapter: createShardedAdapter(writer, await client(), { subscriptionMode: wire }) };
  const { Emitter } = load("@socket.io/redis-emitter");
  return { adapter: createAdapter(writer, await client()), emitter: new Emitter(writer) };
}

async function onPostgres() {
  const pool = new (load("pg").Pool)({ connectionString: url });
  pool.on("error", () => {});
  await pool.query("CREATE TABLE IF NOT EXISTS socket_io_attachments (id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)");
  const { Emitter } = load("@socket.io/postgres-emitter");
  return { adapter: load("@socket.io/postgres-adapter").createAdapter(pool), emitter: new Emitter(pool) };
}

async function main() {
  const { adapter, emitter } = await (wire === "postgres" ? onPostgres() : onRedis());
  const server = new Server(0, { adapter, ...(wire === "streams" && { connectionStateRecovery: {} }) });
  server.on("connection", (s) => {
    s.data = { from: "node" };
    s.on("enter", (room, done) => { s.join(room); done(); });
  });
  server.on("note", (...args) => {
    const done = args.at(-1);
    if (typeof done === "function") done({ node: args.slice(0, -1) });
    else say({ client: "node", event: "note", args });
  });

  const clients = {};
  const to = ({ room, except, flag }, from = server) => {
    let b = from;
    if (room) b = b.to(room);
    if (except) b = b.except(except);
    if (flag === "volatile") b = b.volatile;
    if (flag === "compress") b = b.compress(false);
    if (flag === "local") b = b.local;
    return b === server ? server.of("/") : b;
  };
  const ops = {
    port: () => server.httpServer.address().port,
    connect: ({ name, url }) => new Promise((resolve, reject) => {
      const c = (clients[name] = connect(url, { transports: ["websocket"], reconnection: false, forceNew: true }));
      c.onAny((event, ...args) => {
        if (/^\d+-\d+$/.test(args.at(-1))) args.pop(); // the offset
        if (typeof args.at(-1) === "function") args.pop()({ from: name, bin: Buffer.from([1, 2]) });
        say({ client: name, event, args });
      });
      c.on("disconnect", () => say({ client: name, event: "gone", args: [] }));
      c.on("connect", () => resolve(c.id));
      c.on("connect_error", reject);
    }),
    drop: ({ name }) => void clients[name].io.engine.transport.ws.close(),
    return: ({ name, url }) => new Promise((resolve, reject) => {
      const c = clients[name];
      c.io.uri = url;
      c.once("connect", () => resolve({ id: c.id, recovered: c.recovered }));
      c.once("connect_error", reject);
      c.connect();
    }),
    enter: ({ name, room }) => clients[name].emitWithAck("enter", room),
    emit: (o) => void to(o).emit(o.event, ...o.args.map(bytes)),
    emitter: (o) => void to(o, emitter).emit(o.event, ...o.args.map(bytes)),
    emitterJoin: (o) => void to(o, emitter).socketsJoin(o.into),
    emitterSide: (o) => void emitter.serverSideEmit(o.event, ...o.args),
    ask: (o) => to(o).timeout(3000).emitWithAck(o.event, ...o.args.map(bytes)),
    sockets: async (o) => (await to(o).fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms].sort(), data: s.data, query: s.handshake.query.EIO })),
    rooms: async () => [...(await server.of("/").adapter.allRooms())].sort(),
    join: (o) => void to(o).socketsJoin(o.into),
    leave: (o) => void to(o).socketsLeave(o.into),
    disconnect: (o) => void to(o).disconnectSockets(true),
    side: (o) => void server.serverSideEmit(o.event, ...o.args),
    sideAsk: (o) => server.serverSideEmitWithAck(o.event, ...o.args),
  };
  require("readline").createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, op, ...o } = JSON.parse(line);
    try {
      say({ id, result: (await ops[op](o)) ?? null });
    } catch (e) {
      say({ id, error: String(e?.message ?? e) });
    }
  }).on("close", () => process.exit());
  say({ id: 0, result: "ready" });
}
main().catch((e) => { console.error(e); process.exit(1); });
