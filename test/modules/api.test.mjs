import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";

const { changesOf, keepOffset, oneAtATime, request } = await load("api.js");

let limits = []; // of the requests that are under way, to be reached by hand
AbortSignal.timeout = () => {
  const limit = new AbortController();
  limits.push(limit);
  return limit.signal;
};
const silence = (signal) => new Promise((_, reject) => {
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason));
});

for (const [where, answer] of [
  ["an answer that never comes", (path, { signal }) => silence(signal)],
  ["an answer that breaks off in silence", async (path, { signal }) => ({ ok: true, status: 200, text: () => silence(signal) })],
]) {
  test(`${where} does not hold up what is read next`, async () => {
    for (const read of [() => request("/x"), changesOf("/x")]) {
      limits = [];
      globalThis.fetch = answer;
      const reading = oneAtATime(read);
      const first = reading();
      assert.equal(reading(), first, "it waits for the one under way");
      globalThis.fetch = async () => new Response("[]", { status: 200 });
      assert.equal(limits.length, 1, "it has a limit");
      limits[0].abort();
      await assert.rejects(first, { status: 0 });
      await reading();
      assert.equal(limits.length, 2);
    }
  });
}

test("an answer that is no JSON is no answer", async () => {
  globalThis.fetch = async () => new Response("<html>Sign in to this network</html>", { status: 200 });
  await assert.rejects(request("/x"), SyntaxError);
});

test("what a submission was told of the log goes with what is read next, to whichever machine", async () => {
  const sent = [];
  globalThis.fetch = async (path, { headers }) => {
    sent.push(headers["Podium-Offset"]);
    return new Response("[]", { status: 200 });
  };
  await request("/before");
  keepOffset("abc.7");
  keepOffset(null); // a machine that is alone says nothing
  await request("/after");
  await changesOf("/after")();
  assert.deepEqual(sent, [undefined, "abc.7", "abc.7"]);
});
