// Uploading the event's logo.
import { errorOf, request } from "/js/api.js";

/**
 * Makes a picture the event's logo.
 * @param {File} file
 * @param {Record<string, string>} [headers]
 * @returns {Promise<{event: object}>}
 * @throws {import("/js/api.js").ApiError} where the server refuses it
 */
export async function sendLogo(file, headers = {}) {
  const answer = await fetch("/api/logo", { method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream", ...headers } }).catch(() => null);
  if (!answer) throw errorOf(0, "");
  const text = await answer.text();
  if (!answer.ok) throw errorOf(answer.status, text, answer.headers);
  return JSON.parse(text);
}

/** @returns {Promise<{event: object}>} */
export const removeLogo = () => request("/api/logo", { method: "DELETE" });
