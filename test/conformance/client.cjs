// Goes through what the clients' own test suites ask of the conformance server:
//   node client.cjs CLIENT_PORT ENGINEIO_HI_PORT
// The ports are those of modes client and engineio-hi.
const assert = require("node:assert/strict");
const { io } = require("socket.io-client");
const { Socket } = require("engine.io-client");

const [clientPort, hiPort] = process.argv.slice(2);
const sockets = [];

function open(namespace = "/", options = {}) {
  const socket = io(`http://127.0.0.1:${clientPort}${namespace}`, { forceNew: true, ...options });
  sockets.push(socket);
  return socket;
}

/** The arguments of the next event, without the offset that recovery puts behind them. */
const next = (socket, event) =>
  new Promise((resolve) => socket.once(event, (...args) => resolve(typeof args.at(-1) === "string" && args.at(-1).startsWith("~") ? args.slice(0, -1) : args)));

async function answers(transports) {
  const socket = open("/", { transports, auth: { token: "t" } });
  const ask = async (event, args, answer) => {
    const got = next(socket, answer);
    socket.emit(event, ...args);
    return got;
  };
  const photo = Buffer.from("photo");
  await next(socket, "connect");
  assert.deepEqual(await ask("hi", [], "hi"), []);
  assert.deepEqual(await socket.emitWithAck("echo", { a: [1, "é", photo] }), { a: [1, "é", photo] });
  assert.equal(await socket.emitWithAck("getId"), socket.id);
  assert.match(await socket.emitWithAck("getAckDate"), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual((await socket.emitWithAck("getHandshake")).auth, { token: "t" });
  socket.once("ack", (answer) => answer(5, { test: true }));
  assert.deepEqual(await ask("ack", [], "got it"), []);
  assert.ok(!Number.isNaN(Date.parse((await ask("getDate", [], "takeDate"))[0])));
  assert.ok(!Number.isNaN(Date.parse((await ask("getDateObj", [], "takeDateObj"))[0].date)));
  assert.deepEqual(await ask("false", [], "false"), [false]);
  assert.deepEqual(await ask("doge", [], "doge"), [Buffer.from("asdfasdf")]);
  assert.deepEqual(await ask("getbin", [], "takebin"), [Buffer.from("asdfasdf")]);
  assert.deepEqual(await ask("buffa", [photo], "buffack"), []);
  assert.deepEqual(await ask("blob", [photo], "back"), []);
  assert.deepEqual(await ask("jsonbuff", [{ hello: "lol", message: photo, goodbye: "gotcha" }], "jsonbuff-ack"), []);
  assert.deepEqual(await ask("jsonblob", [{ hello: "lol", message: photo, goodbye: "gotcha" }], "jsonblob-ack"), []);
  socket.emit("abuff1", photo);
  assert.deepEqual(await ask("abuff2", ["x"], "abuff2-ack"), []);
  socket.emit("blob1", photo);
  socket.emit("blob2", "second");
  assert.deepEqual(await ask("blob3", [photo], "blob3-ack"), []);
  const texts = [];
  const all = new Promise((resolve) => socket.on("takeUtf8", (text) => texts.push(text) === 5 && resolve()));
  socket.emit("getUtf8");
  await all;
  assert.deepEqual(texts, ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"]);
}

async function namespaces() {
  for (const name of ["/foo", "/timeout_socket", "/valid", "/asd"]) await next(open(name), "connect");
  const foo = open("/foo");
  assert.equal(await foo.emitWithAck("getId"), foo.id);
  const [handshake] = await next(open("/abc", { query: { b: "c" } }), "handshake");
  assert.equal(handshake.query.b, "c");
  assert.equal(handshake.xdomain, false);
  assert.deepEqual(Object.keys(handshake).sort(), ["address", "auth", "headers", "issued", "query", "secure", "time", "url", "xdomain"]);
  assert.equal((await next(open("/no"), "connect_error"))[0].message, "Auth failed (custom namespace)");
  assert.equal((await next(open("/", { query: { fail: true } }), "connect_error"))[0].message, "Auth failed (main namespace)");
  assert.equal((await next(open("/unknown"), "connect_error"))[0].message, "Invalid namespace");
}

async function hi(transports) {
  const socket = new Socket(`ws://127.0.0.1:${hiPort}`, { transports });
  sockets.push(socket);
  const [greeting] = await next(socket, "message");
  assert.equal(greeting, "hi");
  const ask = async (message) => {
    const got = next(socket, "message");
    socket.send(message);
    return (await got)[0];
  };
  assert.deepEqual(await ask("give binary"), Buffer.from([0, 1, 2, 3, 4]));
  assert.equal(await ask("give utf8"), "пойду спать всем спокойной ночи");
  assert.equal(await ask("anything"), "anything");
  assert.deepEqual(await ask(Buffer.from([9])), Buffer.from([9]));
  if (transports.length === 1 && transports[0] === "polling") assert.equal(JSON.parse(await ask("sendHeaders")).host, `127.0.0.1:${hiPort}`);
}

async function refusalsAndCookies() {
  const url = `http://127.0.0.1:${hiPort}/engine.io/?EIO=4&transport=polling`;
  const denied = await fetch(`${url}&deny=1`);
  assert.deepEqual([denied.status, await denied.json()], [403, { code: 4, message: "Forbidden" }]);
  const answer = await fetch(url);
  const cookies = answer.headers.getSetCookie();
  assert.deepEqual(cookies.slice(0, 3), ["1=1; Max-Age=86400", "2=2; Path=/; HttpOnly; Secure; SameSite=Strict", "3=3; Max-Age=0"]);
  assert.match(cookies[3], /^4=4; Expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  const { pingInterval, maxPayload } = JSON.parse((await answer.text()).slice(1));
  assert.deepEqual([pingInterval, maxPayload], [500, 100]);
}

async function main() {
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    await answers(transports);
    await hi(transports);
  }
  await namespaces();
  await refusalsAndCookies();
  for (const socket of sockets) socket.close();
}

main().then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
