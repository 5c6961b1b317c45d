// The secret by which the server knows this phone's photos from others'. Whoever has it can take them back.

let own = "";

/** @returns {string} the same for as long as the browser keeps this site's storage; for this page alone where it keeps none */
export function guestSecret() {
  own ||= read() || keep([...crypto.getRandomValues(new Uint8Array(24))].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
  return own;
}

/** @returns {boolean} whether this phone had sent something when it was here last, or has since */
export const hasSecret = () => Boolean(own || read());

function read() {
  try {
    return localStorage.getItem("podium-guest") ?? "";
  } catch {
    return "";
  }
}

function keep(secret) {
  try {
    localStorage.setItem("podium-guest", secret);
  } catch {
    // Private windows may refuse.
  }
  return secret;
}
