// Asks the official server and another one the same, and says where the answers differ:
//   node official.cjs ENGINEIO_PORT SOCKETIO_PORT
// The ports are those of the conformance server in modes engineio and socketio. Every exchange ends by itself, with an
// answer or an echo, so that nothing depends on time. Left out is where the official server is knowingly not followed:
// it answers "ok" to a POST that it then ends the session for, guesses at base64 and lengths that are none, takes more
// digits than it can count, passes over acknowledgements without an id and "1" over WebSocket, limits attachments to ten,
// breaks a request for polling that asks for an upgrade, and closes on CONNECT for "/" in protocol 3, where all are in it.
const { createServer } = require("node:http");
const { connect } = require("node:net");
const engineIO = require("engine.io");
const { Server } = require("socket.io");
const { WebSocket } = require("ws");

const PATIENCE = 20_000;
const limits = { pingInterval: 60_000, pingTimeout: 60_000, maxHttpBufferSize: 1000, allowEIO3: true };

/** The official servers, doing what the conformance server does. */
async function officialPorts() {
  const listen = async (attach) => {
    const http = createServer();
    attach(http);
    await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
    return http.address().port;
  };
  const welcome = (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => {
      const answer = args.pop();
      if (typeof answer === "function") answer(...args);
    });
  };
  return [
    await listen((http) => engineIO.attach(http, limits).on("connection", (socket) => socket.on("message", (data) => socket.send(data)))),
    await listen((http) => {
      const io = new Server(http, limits);
      for (const name of ["/", "/custom"]) io.of(name).on("connection", welcome);
    }),
  ];
}

/** Sends a request as it stands, and reads until the server closes. */
function exchange(port, method, query, headers = [], body = "") {
  headers = ["Host: x", "Connection: close", `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${method} /engine.io/?${query} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n${body}`));
    const parts = [];
    socket.on("data", (data) => parts.push(data));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(parts).toString()));
    socket.setTimeout(PATIENCE, () => socket.destroy());
  });
}

const request = async (...what) => readAnswer(await exchange(...what));

const openSession = async (port, eio) => /"sid":"([^"]+)"/.exec(await exchange(port, "GET", `EIO=${eio}&transport=polling`))[1];

/** The status, the headers that matter, and the body of an answer. */
function readAnswer(text) {
  const at = text.indexOf("\r\n\r\n");
  const [line, ...fields] = text.slice(0, at).split("\r\n");
  const headers = Object.fromEntries(fields.map((field) => [field.split(":")[0].toLowerCase(), field.slice(field.indexOf(":") + 1).trim()]));
  let body = text.slice(at + 4);
  if (headers["transfer-encoding"] === "chunked") body = body.replace(/[0-9a-f]+\r\n([^]*?)\r\n/g, "$1").replace(/\r\n$/, "");
  return { status: line.split(" ")[1], type: headers["content-type"], cache: headers["cache-control"], body: body.replace(/"sid":"[^"]+"/, '"sid":"…"') };
}

/** Every combination of what a request can say about itself. */
function* requests() {
  for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    for (const eio of ["EIO=4", "EIO=3", "EIO=5", "EIO=", ""])
      for (const transport of ["polling", "websocket", "webtransport", "unknown", "", null])
        for (const sid of ["live4", "live3", "unknown", "", null]) {
          if (method === "GET" && transport === "polling" && sid?.startsWith("live")) continue; // a poll: see payloads
          yield [`${method} ${eio} transport=${transport} sid=${sid}`, async (port) => {
            const query = [eio];
            if (transport !== null) query.push(`transport=${transport}`);
            if (sid !== null) query.push(`sid=${sid.startsWith("live") ? await openSession(port, sid.at(-1)) : sid}`);
            return request(port, method, query.join("&"), [], method === "POST" ? (sid === "live3" ? "2:4a" : "4a") : "");
          }];
        }
}

/** Forms as JSONP clients send them, with and without a payload. */
function* forms() {
  for (const body of ["d=2%3A4a", "e=2%3A4a", "", "d=2%3A4%5Cn"])
    yield [`POST of the form ${body}`, async (port) => {
      const [, sid] = /sid\\":\\"([^"\\]+)/.exec(await exchange(port, "GET", "EIO=3&transport=polling&j=0"));
      const query = `EIO=3&transport=polling&j=0&sid=${sid}`;
      const type = ["Content-Type: application/x-www-form-urlencoded"];
      const { status } = await request(port, "POST", query, type, body);
      await request(port, "POST", query, type, "d=4%3A4end");
      return [status, (await request(port, "GET", query)).body]; // the scripts' types differ: browsers refuse text/plain
    }];
}

/** Payloads, each followed by another and a poll. */
function* payloads() {
  const bodies = {
    4: ["4", "4a", "4a\x1e4b", "bAQID", "bAQI", "b-_-_", "b", "3", "3probe", "5", "6", "0", "0{}", "4é", "4😀", "4\0", "4a\n", "4\x1e4\x1e4", "4" + "a".repeat(999)],
    3: ["1:4", "2:4a", "2:4a2:4b", "0:", "0:2:4a", "2:4é", "3:4😀", "6:b4AQID", "2:b4", "1:2", "1:5", "1:6", "6:2probe", "02:4a", "2:4a1:2"],
  };
  for (const eio of [4, 3])
    for (const body of bodies[eio])
      for (const type of [[], ["Content-Type: text/plain;charset=UTF-8"], ["Content-Type: application/json"]])
        yield [`POST ${type} ${JSON.stringify(body)} in protocol ${eio}`, async (port) => {
          const query = `EIO=${eio}&transport=polling&sid=${await openSession(port, eio)}`;
          return [
            await request(port, "POST", query, type, body),
            await request(port, "POST", query, type, eio === 4 ? "4end" : "4:4end"),
            await request(port, "GET", query),
          ];
        }];
  for (const body of ["", "x", "\n4a", "4a\x1e", "\x1e4a", "4a\x1ex\x1e4b", "7", "2", "1", "1\x1e4a"])
    yield [`a poll after POST ${JSON.stringify(body)}`, async (port) => {
      const query = `EIO=4&transport=polling&sid=${await openSession(port, 4)}`;
      await request(port, "POST", query, [], body);
      return request(port, "GET", query);
    }];
  for (const [size, type] of [[1000, "text/plain"], [1001, "text/plain"], [2, "application/octet-stream"]])
    yield [`POST of ${size} bytes as ${type}`, async (port) => {
      const query = `EIO=4&transport=polling&sid=${await openSession(port, 4)}`;
      const { status } = await request(port, "POST", query, [`Content-Type: ${type}`], "4".repeat(size));
      return [status, await request(port, "GET", query)];
    }];
}

/**
 * What comes over a WebSocket, after it said something that is among greetings, for some messages and for end, which is
 * sent back.
 */
function converse(url, eio, greetings, messages, end, echo) {
  return new Promise((resolve) => {
    const got = [];
    const socket = new WebSocket(`${url}?EIO=${eio}&transport=websocket`);
    const finish = (how) => {
      clearTimeout(deadline);
      socket.removeAllListeners("close").removeAllListeners("message").terminate();
      resolve([...got, how]);
    };
    const deadline = setTimeout(finish, PATIENCE, "nothing more came");
    socket.on("error", () => {});
    socket.on("close", () => finish("closed"));
    socket.on("message", (data, binary) => {
      if (binary) return got.push(data.toString("hex"));
      const text = data.toString();
      if (greetings.length && text.startsWith(greetings[0][0])) {
        const [, reply] = greetings.shift();
        if (reply) socket.send(reply);
        if (!greetings.length) for (const message of [...messages, end]) socket.send(message);
      }
      got.push(spelling(text));
      if (text === echo) finish("echoed");
    });
  });
}

/** A packet with its JSON as JavaScript writes it, and without what is random. */
function spelling(text) {
  text = text.replace(/"sid":"[^"]+"/, '"sid":"…"');
  const [, head, json] = /^([0-9]+-?(?:\/[^,]*,)?[0-9]*)(\[[^]*)$/.exec(text) ?? [];
  return json ? head + JSON.stringify(JSON.parse(json)) : text;
}

const bytes = (...list) => Buffer.from(list);

const show = (message) => (Buffer.isBuffer(message) ? `<${message.toString("hex").slice(0, 20)}>` : JSON.stringify(message.slice(0, 100)));

/** Engine.IO packets over WebSocket. */
function* frames() {
  const some = ["4", "4a", "x", "", "2", "2probe", "3", "3probe", "5", "6", "0", "7", "4é", "4\0", "4a\x1e4b", "b", bytes(), bytes(1), bytes(4, 1), bytes(255, 254), "4" + "a".repeat(999), "4" + "a".repeat(1000), Buffer.alloc(1000), Buffer.alloc(1001)];
  for (const eio of [4, 3])
    for (const message of some) {
      if (eio === 3 && Buffer.isBuffer(message) && message[0] !== 4) continue; // the official server guesses at these
      if (eio === 3 && message === "b") continue;
      yield [`${show(message)} over WebSocket in protocol ${eio}`, (port) => converse(`ws://127.0.0.1:${port}/engine.io/`, eio, [["0{"]], [message], "4end", "4end")];
    }
}

/** Socket.IO packets. */
function* packets() {
  const photo = '{"_placeholder":true,"num":0}';
  const joined = [
    ['2["message"]'], ['2["message",1,"a",null,true,{"a":[1]},1.50,"\\u0061é😀\\ud800"]'], ['27["message-with-ack",1,{"x":"é"}]'], ['20["message-with-ack"]'],
    ['2007["message-with-ack",1]'], ['29007199254740991["message-with-ack",1]'], ["2{}"], ["2[]"], ["2[1]"], ["2[null]"], ['2[["message"]]'], ['2["message"'], ['2["message",]'], ['2["message",01]'],
    ['2["connect"]'], ['2["connect_error"]'], ['2["disconnect"]'], ['2["disconnecting"]'], ['2["newListener"]'], ['2["removeListener"]'], ['2["error"]'],
    ['2["message",{"__proto__":1}]'], ['2["message",{"a":1,"a":2}]'], ['2["message",-0]'], ['2["message", 1 , [ 2 ] ] '], ['2["\\u006dessage",1]'], ['2["message",1E3]'], ['2["message",""]'],
    ['2/custom,["message",1]'], ['2/none,["message",1]'], ['2/,["message",1]'], ['2/["message",1]'], ["30[]"], ['312["a"]'], ["31{}"], ["3/custom,1[]"], ["4"], ['4{"message":"x"}'],
    ["0[]"], ["0null"], ['0"x"'], ["1{}"], ["1/custom,"], ["1/none,"], ["0/none,"], ["0/none"], ["8"], [""], ["x"], ["5"], ["5-"], ["6"], ['51["message"]'], ['50-["message"]'],
    [`51-["message",${photo}]`, bytes(1, 2)], [`51-["message",${photo}]`, '2["message",1]'], [`52-["message",${photo.replace("0", "1")},${photo}]`, bytes(1), bytes(2)],
    [`51-["message",${photo.replace("0", "1")}]`, bytes(1)], [`51-["message",${photo.replace("0", "-1")}]`, bytes(1)], [`51-["message",${photo.replace("0", '"0"')}]`, bytes(1)], ['51-["message",{"_placeholder":true}]', bytes(1)],
    ['51-["message",{"_placeholder":false,"num":0}]', bytes(1)], ['51-["message"]', bytes(1)], ["51-{}", bytes(1)], [`51-[${photo}]`, bytes(1)], [`51-5["message-with-ack",${photo}]`, bytes(1, 2)], [`501-["message",${photo}]`, bytes(1)],
    [`51-/custom,["message",${photo}]`, bytes(1)], [`61-0[${photo}]`, bytes(1)], [bytes(1)], [`2["message",${photo}]`],
  ];
  const over = (eio) => (message) => (Buffer.isBuffer(message) ? (eio === 3 ? Buffer.concat([bytes(4), message]) : message) : `4${message}`);
  for (const messages of joined)
    for (const eio of [4, 3])
      yield [`${messages.map(show)} in protocol ${eio}`, (port) => converse(`ws://127.0.0.1:${port}/socket.io/`, eio, eio === 4 ? [["0{", "40"], ['42["auth"']] : [['42["auth"']], messages.map(over(eio)), '42["message","end"]', '42["message-back","end"]')];
  for (const first of ['40{"t":1}', '40{"a":{"b":[1,2]}}'])
    yield [`${first} as the first packet`, (port) => converse(`ws://127.0.0.1:${port}/socket.io/`, 4, [["0{", first], ['42["auth"']], [], '42["message","end"]', '42["message-back","end"]')];
  for (const first of ["40/custom,", "40/custom", '40/custom,{"t":1}'])
    yield [`${first} as the first packet`, (port) => converse(`ws://127.0.0.1:${port}/socket.io/`, 4, [["0{", first], ['42/custom,["auth"']], [], '42/custom,["message","end"]', '42/custom,["message-back","end"]')];
  for (const first of ["40/none,", "40/none", '40/none,{"a":1}', "40//custom,", "40/custom?a=1,"])
    yield [`${first} as the first packet`, (port) => converse(`ws://127.0.0.1:${port}/socket.io/`, 4, [["0{", first], ["44"]], [], '42["message","end"]', "")];
  for (const first of ["40[]", "40null", '40"x"', "41", '42["message"]', '43["a"]', "44{}", "45", "4", "4a"])
    yield [`${first} as the first packet`, (port) => converse(`ws://127.0.0.1:${port}/socket.io/`, 4, [["0{", first]], [], '42["message","end"]', "")];
}

async function main([engineIOPort, socketIOPort]) {
  const [officialEngineIO, officialSocketIO] = await officialPorts();
  const questions = [];
  for (const [what, ask] of [...requests(), ...payloads(), ...forms(), ...frames()]) questions.push([what, ask, officialEngineIO, engineIOPort]);
  for (const [what, ask] of packets()) questions.push([what, ask, officialSocketIO, socketIOPort]);
  let next = 0, different = 0;
  const work = async () => {
    while (next < questions.length) {
      const [what, ask, official, other] = questions[next++];
      const [want, got] = (await Promise.all([ask(official), ask(other)])).map((answer) => JSON.stringify(answer));
      if (want === got) continue;
      different++;
      console.log(`${what}\n  official: ${want}\n  ours:     ${got}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  console.log(`${questions.length} questions, ${different} answered differently`);
  process.exit(different ? 1 : 0);
}

main(process.argv.slice(2));
