// The choice of another language than the browser's.
import { byId } from "./dom.js";

const YEAR = 365 * 24 * 3600;

/** Lets people choose among the languages that the page offers. */
export function offerLanguages() {
  byId("language").addEventListener("change", ({ target }) => {
    document.cookie = `podium_language=${target.value}; path=/; max-age=${YEAR}; samesite=lax`;
    location.reload();
  });
}
