// A submission's picture, in the size that the page needs.
import { make } from "/js/dom.js";
import { say } from "/js/words.js";

/**
 * Makes the picture of a submission.
 * @param {{imageUrl: string|null, images?: {url: string, width: number, height: number}[], caption?: string}} item
 * @param {string} sizes how wide it is shown, as the attribute of that name has it
 * @param {boolean} [eager] loads it at once
 * @returns {HTMLImageElement|null} null where there is none
 */
export function shot(item, sizes, eager = false) {
  if (!item.imageUrl) return null;
  const largest = item.images?.at(-1);
  return make("img", {
    src: item.imageUrl,
    srcset: item.images?.map((one) => `${one.url} ${one.width}w`).join(", "),
    sizes: item.images ? sizes : null,
    width: largest?.width,
    height: largest?.height,
    loading: eager ? "eager" : "lazy",
    decoding: "async",
    alt: item.caption || say("photoWithoutCaption"),
  });
}
