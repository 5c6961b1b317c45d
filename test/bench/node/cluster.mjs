// What makes the official server one of several: the adapter by the scheme of --cluster.
import { createAdapter as classic } from "@socket.io/redis-adapter";
import { createAdapter as streams } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";

// The stream keeps as much as Podium's log in podium/cluster.go.
const KEPT = 100_000;

// The answer to the last command that published something: the adapters themselves do not
// wait for it, or do not tell.
let published;

/** adapter connects to Redis and returns what goes into the server's options. */
export async function adapter() {
  const [scheme, host] = process.argv[process.argv.indexOf("--cluster") + 1].split("://");
  const client = createClient({ url: `redis://${host}` });
  await client.connect();
  for (const name of ["xAdd", "publish"]) {
    const send = client[name].bind(client);
    client[name] = (...args) => (published = send(...args));
  }
  if (scheme === "redis-streams") return streams(client, { maxLen: KEPT });
  if (scheme !== "redis-classic") throw new Error(`--cluster: there is no adapter for ${scheme}`);
  const subscriber = client.duplicate();
  await subscriber.connect();
  return classic(client, subscriber);
}

/** emits does what emits in podium/cluster.go says, which see. */
export async function emits(io, url) {
  const number = (name) => Number(url.searchParams.get(name));
  const [n, first, emitters, pause] = ["n", "first", "emitters", "pause"].map(number);
  const filler = "x".repeat(Math.max(0, number("size") - 20));
  const digits = (value) => String(value).padStart(10, "0");
  const emitter = async (_, e) => {
    for (let i = e; i < n; i += emitters) {
      const [seconds, nanos] = process.hrtime(); // the machine's monotonic clock
      const micros = (seconds * 1e6 + Math.floor(nanos / 1000)) % 1e10;
      io.emit("m", digits(first + i) + digits(micros) + filler);
      await published;
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  await Promise.all(Array.from({ length: emitters }, emitter));
}
