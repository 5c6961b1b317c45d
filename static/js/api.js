// Asks the server, and turns what goes wrong into sentences.

/** An answer that was an error. `status` is 0 where there was no answer. */
export class Refusal extends Error {
  constructor(status, message, retryAfter = 0) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Sends a request and returns the decoded answer.
 * @param {string} path
 * @param {object} [options] method, body (sent as JSON), headers
 * @throws {Refusal}
 */
export async function ask(path, { method = "GET", body, headers = {} } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Refusal(0, "The server cannot be reached.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new Refusal(response.status, answer.error || "Something went wrong.", Number(response.headers.get("Retry-After")) || 0);
  }
  return answer;
}
