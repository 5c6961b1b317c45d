// Passing a photo on: by the phone's own sheet, or by a link where there is none.
import { say } from "./words.js";
import { tell, tellProblem } from "./toast.js";

const PREFIX = "#photo/"; // no category's id has a slash

/** @param {string} hash of an address @returns {string} id of the photo that it is the address of, "" for none */
export const photoOf = (hash) => (hash.startsWith(PREFIX) ? hash.slice(PREFIX.length) : "");

/** @param {{id: string, caption: string}} photo */
export async function share({ id, caption }) {
  const url = `${location.origin}/${PREFIX}${id}`;
  try {
    if (navigator.share) return await navigator.share({ title: document.title, text: caption, url });
    await copy(url);
    tell(say("linkCopied"));
  } catch (failure) {
    if (failure.name !== "AbortError") tellProblem(url); // to be copied by hand
  }
}

/** navigator.clipboard exists only on secure origins. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("copying is not allowed");
}
