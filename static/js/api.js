// Requests to the server's REST interface, and its refusals as errors that a person can read.
import { has, language, say } from "./words.js";

/** A request that was answered with an error, or not at all (status 0). */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status, 0 where no answer came
   * @param {string} sentence what to tell the person
   * @param {number} [retryAfter] seconds after which trying again makes sense
   */
  constructor(status, sentence, retryAfter = 0) {
    super(sentence);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Makes an error of an answer's status and body.
 * @param {number} status
 * @param {string} body the answer's text, where it is JSON its "error" is used
 * @param {{get: (name: string) => string|null}} [headers] of the answer: Retry-After, and Podium-Error, by which a refusal is
 *   said in the page's language
 * @returns {ApiError}
 */
export function errorOf(status, body, headers) {
  const key = `error-${headers?.get("Podium-Error")}`;
  let sentence = "";
  try {
    sentence = JSON.parse(body).error;
  } catch {
    // A proxy answered in its own words, which are no use to a guest.
  }
  if (language !== "en" && has(key)) sentence = say(key); // the server's own words tell more
  return new ApiError(status, sentence || say("answeredWith", { status: String(status) }), Number(headers?.get("Retry-After")) || 0);
}

let offset = ""; // of the newest answer to a submission: where machines share the contest, the next may be behind

/**
 * Keeps how far the machine had come that took a submission, for the requests that follow.
 * @param {string|null} header Podium-Offset of its answer
 */
export function keepOffset(header) {
  offset = header || offset;
}

// A network that goes silent would keep a request for minutes, and with it all that waits for its answer.
const PATIENCE = 45000;

/** Sends a request and reads the whole answer, as text. */
async function exchange(path, init) {
  try {
    const headers = offset ? { ...init.headers, "Podium-Offset": offset } : init.headers;
    const response = await fetch(path, { ...init, headers, signal: AbortSignal.timeout?.(PATIENCE) });
    return { response, text: await response.text() };
  } catch {
    throw new ApiError(0, say("unreachable"));
  }
}

/**
 * Sends a request and reads the JSON answer.
 * @param {string} path
 * @param {{method?: string, body?: any, headers?: Record<string,string>}} [options] body is sent as JSON
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function request(path, { method = "GET", body, headers = {} } = {}) {
  const init = { method, headers: { ...headers } };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  const { response, text } = await exchange(path, init);
  if (!response.ok) throw errorOf(response.status, text, response.headers);
  return JSON.parse(text);
}

/**
 * Returns a reader of one address that transfers the body only when it changed (ETag).
 * @param {string} path
 * @returns {() => Promise<any|null>} null where nothing changed since the last call
 */
export function changesOf(path) {
  let tag = "";
  return async () => {
    const { response, text } = await exchange(path, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (response.status === 304) return null;
    if (!response.ok) throw errorOf(response.status, text, response.headers);
    const body = JSON.parse(text);
    tag = response.headers.get("ETag") || "";
    return body;
  };
}

/**
 * Returns work that never overlaps itself, so that an older answer cannot come after a newer one. Asked for while it is
 * under way, it is done once more afterwards.
 * @param {() => Promise<any>} work
 * @returns {() => Promise<void>} settles when nothing is left to do
 */
export function oneAtATime(work) {
  let again = false;
  let under = null;
  return () => {
    again = true;
    under ??= (async () => {
      try {
        while (again) {
          again = false;
          await work();
        }
      } finally {
        under = null;
      }
    })();
    return under;
  };
}

/**
 * Makes a key for Idempotency-Key. crypto.randomUUID exists only on secure origins, and phones in the room often come
 * over plain http.
 * @returns {string} 32 hexadecimal digits
 */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
