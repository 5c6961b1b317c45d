// Connects a room of official clients in one process:
//   node guests.cjs PACKAGE URL NUMBER
// A line "report" on standard input is answered with one line of JSON: how many are connected; how many submissions the client
// with the fewest and the one with the most were told of, and how many were told twice; and the presentations that clients saw,
// each different one once, as a list of "state turn place's-id".
const [, , name, url, number] = process.argv;
const io = require(name);
const guests = Array.from({ length: Number(number) }, () => {
  const guest = { told: new Map(), reveals: [] };
  guest.socket = (io.io || io)(url, { forceNew: true, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 300, timeout: 5000 });
  guest.socket.on("newSubmission", ({ id }) => guest.told.set(id, (guest.told.get(id) ?? 0) + 1));
  guest.socket.on("revealUpdated", ({ state, turn, place }) => guest.reveals.push([state, turn, place?.id].join(" ").trim()));
  return guest;
});

process.stdin.on("data", () => {
  const counts = guests.map(({ told }) => told.size);
  process.stdout.write(JSON.stringify({
    connected: guests.filter(({ socket }) => socket.connected).length,
    fewest: Math.min(...counts), most: Math.max(...counts),
    twice: guests.flatMap(({ told }) => [...told.values()]).filter((times) => times > 1).length,
    reveals: [...new Set(guests.map(({ reveals }) => reveals.join(", ")))],
  }) + "\n");
});
process.stdin.on("end", () => process.exit(0));
