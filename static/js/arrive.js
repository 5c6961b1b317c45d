// Loads the page anew where one of its scripts did not arrive, or is of another release than the page: on a bad network, or
// while the server is replaced. Without it such a page would stay as it is and do nothing. No module, and served within the
// page, because it has to be there when nothing else is.
{
  const LONGEST = 30; // seconds between two tries
  const ENOUGH = 5; // tries after which a script that fails at what it does fails for another reason
  let tries = history.state?.tries ?? 0;

  const pause = () => new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(LONGEST, 2 ** tries++)));
  // Without the server the browser would put a page of its own in the place of this one, and that never tries again.
  const isThere = () => fetch(location.href, { method: "HEAD", cache: "no-store" }).then((answer) => answer.ok, () => false);

  const failed = async ({ target, filename }) => {
    // What a picture, an extension or the app around the page fails at concerns nobody here.
    const ours = filename?.startsWith(`${location.origin}/js/`);
    if (target === window ? !ours || tries >= ENOUGH : target.type !== "module") return;
    removeEventListener("error", failed, true);
    const sign = document.querySelector("#connection, #state, #status");
    if (sign) {
      sign.hidden = false;
      const messages = document.getElementById("messages");
      sign.textContent = messages ? JSON.parse(messages.textContent).notEverything : "Not everything arrived. Loading again…";
    }
    do await pause(); while (!await isThere());
    history.replaceState({ tries }, "");
    location.reload();
  };
  addEventListener("error", failed, true);
  document.addEventListener("load", ({ target }) => { if (target.type === "module") removeEventListener("error", failed, true); }, true);
}
