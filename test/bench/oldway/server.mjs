// The contest's old way of saving, for comparison: everything is one JSON file that
// each submission rewrites, after it has written the same to a file of a
// write-ahead log; and GET /api/feed is made by JSON.stringify each time.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync, unlinkSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { address } from "../peer.mjs";

const folder = process.argv[process.argv.indexOf("--data") + 1];
const file = join(folder, "data.json");
const data = JSON.parse(readFileSync(file, "utf8"));
mkdirSync(join(folder, "uploads"), { recursive: true });
mkdirSync(join(folder, ".wal"), { recursive: true });

// save writes the log, the data, and the log's end.
function save(operation) {
  const wal = join(folder, ".wal", `wal-${Date.now()}-${Math.random().toString(16).slice(2)}.json`);
  const entry = { timestamp: Date.now(), operation, data, status: "pending" };
  writeFileSync(wal, JSON.stringify(entry, null, 2), { flush: true });
  writeFileSync(file + ".tmp", JSON.stringify(data, null, 2), { flush: true });
  renameSync(file + ".tmp", file);
  unlinkSync(wal);
}

async function submit(req, res) {
  const form = await new Request("http://x", { method: "POST", headers: req.headers, body: req, duplex: "half" }).formData();
  const now = Date.now();
  const id = `${now}-${Math.random().toString(36).slice(2, 8)}`;
  let imageUrl = null;
  if (form.get("photo")) {
    imageUrl = `/uploads/${id}.jpg`;
    writeFileSync(join(folder, imageUrl), Buffer.from(await form.get("photo").arrayBuffer()), { flush: true });
  }
  const entry = {
    id, category: form.get("category"), caption: form.get("caption"), name: form.get("name"), phone: form.get("phone"),
    imageUrl, storageMethod: imageUrl ? "local-primary" : "none", createdAt: now, submissionId: `sub-${id}`,
  };
  (data.submissions[entry.category] ??= []).unshift(entry);
  save("submit");
  answer(req, res, { success: true, entry });
}

function feed() {
  const out = {};
  for (const [category, list] of Object.entries(data.submissions)) {
    out[category] = list.map(({ id, caption, imageUrl, createdAt }) => ({ id, caption, imageUrl, artist: "Anonymous Artist", createdAt }));
  }
  return { feed: out, winnersAvailable: false };
}

// answer sends JSON with an entity tag computed from it, as Express does.
function answer(req, res, value) {
  const body = JSON.stringify(value);
  const tag = `W/"${body.length.toString(16)}-${createHash("sha1").update(body).digest("base64").slice(0, 27)}"`;
  res.setHeader("ETag", tag);
  if (req.headers["if-none-match"] === tag) {
    res.statusCode = 304;
    return res.end();
  }
  res.setHeader("Content-Type", "application/json; charset=utf-8");
  res.end(body);
}

createServer((req, res) => {
  if (req.method === "POST") return submit(req, res);
  return answer(req, res, feed());
}).listen(...address("--listen"));
