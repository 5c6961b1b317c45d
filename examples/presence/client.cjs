// Ada sees Bob come and go, with two tabs: node client.cjs http://localhost:3000
const assert = require("node:assert");
const { io } = require("socket.io-client");

const open = (name) => io(process.argv[2], { forceNew: true, auth: { name } });

(async () => {
  const refused = await new Promise((resolve) => open("").once("connect_error", resolve));
  assert.equal(refused.message, "who are you?");

  const ada = open("Ada");
  const seen = [];
  const sees = (...names) => new Promise((resolve) => {
    const look = () => JSON.stringify(seen.at(-1)) === JSON.stringify(names) && resolve();
    ada.on("present", look);
    look();
  });
  ada.on("present", (names) => seen.push(names));
  await sees("Ada");
  const tabs = [open("Bob"), open("Bob")];
  await Promise.all(tabs.map((tab) => new Promise((resolve) => tab.once("connect", resolve))));
  await sees("Ada", "Bob");
  tabs.forEach((tab) => tab.close());
  await sees("Ada");
  assert.deepEqual(seen, [["Ada"], ["Ada", "Bob"], ["Ada"]]);
  ada.close();
  process.exit();
})();
