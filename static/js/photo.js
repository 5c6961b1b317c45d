// Makes a photo ready to be sent, on the phone itself: turned, at most 2,048 pixels wide and high, and without
// metadata, because it is drawn anew.

const side = 2048;
const quality = 0.86;

/** The size that fits w × h into the side. */
export function fitted(w, h, limit = side) {
  const scale = Math.min(1, limit / Math.max(w, h));
  return { width: Math.max(1, Math.round(w * scale)), height: Math.max(1, Math.round(h * scale)) };
}

/**
 * Draws a photo anew.
 * @param {File} file
 * @returns {Promise<Blob>} a JPEG, or the file itself where this browser cannot read it and the server may
 */
export async function prepare(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  const { width, height } = fitted(bitmap.width, bitmap.height);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob || file), "image/jpeg", quality));
}
