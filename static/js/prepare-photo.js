// Makes a photo ready to send, on the phone: upright, at most 2,048 pixels wide or high, without metadata.
import { say } from "./words.js";

/** Longest side of a photo that is sent, in pixels. */
export const LONGEST_SIDE = 2048;
const LARGEST_AS_IS = 10 * 1024 * 1024;
const QUALITY = 0.86;

/**
 * Size within a square that keeps the proportions and never enlarges.
 * @param {number} width
 * @param {number} height
 * @param {number} longest
 * @returns {{width: number, height: number}}
 */
export function fit(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/**
 * Prepares a picture file.
 * @param {File|Blob} file
 * @returns {Promise<{photo: Blob, thumbnail: Blob}>} photo to send, and a small square-ish one for the list
 * @throws {Error} with a sentence for the guest where the file is no picture this browser or the server could read
 */
export async function preparePhoto(file) {
  let source;
  try {
    source = await decode(file);
  } catch {
    return asIs(file);
  }
  try {
    const size = fit(source.width, source.height, LONGEST_SIDE);
    const thumbnail = await draw(source, fit(source.width, source.height, 240));
    const photo = await draw(source, size);
    if (!photo?.size) throw new Error(say("cannotPrepare"));
    return { photo, thumbnail };
  } finally {
    source.close?.();
  }
}

/** iPhone pictures that this browser cannot decode are the server's to judge; anything else is refused here. */
async function asIs(file) {
  if (!file.size) throw new Error(say("emptyPhoto"));
  const picture = /^image\/(hei[cf]|avif)/.test(file.type) || /\.(hei[cf]|avif)$/i.test(file.name ?? "");
  if (!picture) throw new Error(say("notAPicture"));
  if (file.size > LARGEST_AS_IS) throw new Error(say("tooLargeAsIs"));
  const photo = await read(file);
  if (!photo.size) throw new Error(say("emptyPhoto"));
  return { photo, thumbnail: photo };
}

/** A file that is moved or deleted before it was sent could be read no more. */
async function read(file) {
  return new Blob([await file.arrayBuffer()], { type: file.type });
}

async function decode(file) {
  if (!file.size) throw new Error("empty");
  if ("createImageBitmap" in window) {
    try {
      return await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      // Older Safari knows no options, and some formats only decode as an image element.
    }
  }
  const url = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return Object.assign(image, { close: () => {} });
  } finally {
    URL.revokeObjectURL(url);
  }
}

function draw(source, { width, height }) {
  const canvas = "OffscreenCanvas" in window ? new OffscreenCanvas(width, height) : document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  // JPEG has no transparency; without this it would turn black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  if (canvas.convertToBlob) return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(say("cannotPrepare")))), "image/jpeg", QUALITY);
  });
}
