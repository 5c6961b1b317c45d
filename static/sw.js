// Opens the feed page without a network, so that a photo waiting in the outbox is not stranded by a reload.
//
// A page never mixes versions. A page that came from the network gets everything else from the network, and afterwards the
// whole shell is fetched anew and replaces the kept one only if every file arrived, all of one release. A page that came
// from the kept shell gets everything from it. Nothing but the files named here is ever kept or answered: no data, no
// picture, no admin page.
const KEPT = "podium-shell";
const SHELL = [
  "/", "/icons.svg", "/icon.svg", "/manifest.webmanifest",
  "/js/ago.js", "/js/api.js", "/js/connection-sign.js", "/js/dom.js", "/js/feed-page.js", "/js/feed-view.js", "/js/large-photo.js",
  "/js/guard-upgrade.js", "/js/guest.js", "/js/live.js", "/js/opening.js", "/js/language.js", "/js/my-photos.js", "/js/share.js", "/js/toast.js", "/js/outbox-store.js", "/js/outbox-view.js", "/js/outbox.js", "/js/photo-set.js", "/js/shot.js",
  "/js/prepare-photo.js", "/js/retry.js", "/js/reveal.js", "/js/submit-sheet.js", "/js/words.js", "/socket.io/socket.io.esm.min.js",
];
const PATIENCE = 4000;
const fromKept = new Set(); // ids of the pages that were opened from the kept shell

/** Fetches each file of the shell; null for one that the page can do without. */
function fetchShell() {
  return Promise.all(SHELL.map(async (path) => {
    const answer = await fetch(path, { cache: "no-cache" });
    // The client may be a redirect to elsewhere, in a server built without it; the page lives without.
    if (path.startsWith("/socket.io/") && (!answer.ok || answer.redirected)) return null;
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer;
  }));
}

async function keepShell() {
  const cache = await caches.open(KEPT);
  const tagsOf = (answers) => answers.map((answer) => answer?.headers.get("ETag")).join();
  let before;
  let readings = 0;
  let now = await Promise.all(SHELL.map((path) => cache.match(path)));
  // The server may be replaced while its files are fetched. Those that are the same as a moment before are of one release.
  do {
    if (readings++ === 6) throw new Error("the files of the shell change with each reading");
    before = now;
    now = await fetchShell();
  } while (tagsOf(now) !== tagsOf(before));
  await Promise.all(now.map((answer, at) => answer && cache.put(SHELL[at], answer)));
}

async function openPage(event) {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE);
  try {
    const answer = await fetch(event.request, { signal: late.signal });
    if (answer.status < 500) {
      event.waitUntil(keepShell().catch(() => {}));
      return answer;
    }
    return (await kept(event, "/")) ?? answer;
  } catch (failure) {
    const answer = await kept(event, "/");
    if (!answer) throw failure;
    return answer;
  } finally {
    clearTimeout(timer);
  }
}

async function kept(event, path) {
  const answer = await caches.match(path, { cacheName: KEPT });
  if (answer) fromKept.add(event.resultingClientId);
  return answer;
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(keepShell());
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin) return;
  if (event.request.mode === "navigate") {
    if (url.pathname === "/") event.respondWith(openPage(event));
    return;
  }
  if (!SHELL.includes(url.pathname)) return;
  event.respondWith((async () => {
    if (fromKept.has(event.clientId)) {
      const answer = await caches.match(url.pathname, { cacheName: KEPT });
      if (answer) return answer;
    }
    // After a pause the browser may have forgotten fromKept; then the network comes first and the kept file second. A page
    // that came a moment before the server was replaced is whole in that way too, whatever the proxy answers meanwhile.
    const answer = await fetch(event.request).catch(() => Response.error());
    return answer.ok ? answer : (await caches.match(url.pathname, { cacheName: KEPT })) ?? answer;
  })());
});
