// The presentation of the winners, as far as it was told: the server says which place has its turn, pages only show it.
import { request } from "./api.js";
import { say } from "./words.js";

/**
 * @typedef {{id: string, caption: string, imageUrl: string|null, images?: object[], category: string, place: number, name?: string}} Place
 * @typedef {{id: string, name: string, complete: boolean, places: Place[]}} Told the places of a category that had their turn,
 *   the first place first
 * @typedef {{id: string, state: "prepared"|"presenting"|"done", turn: number, now?: Place, told: Told[]}} Reveal
 */

/** @returns {Promise<Reveal|null>} null where there is none */
export const readReveal = async () => (await request("/api/reveal")).reveal;

/**
 * Word for a place.
 * @param {number} place 1 for the first
 * @returns {string}
 */
export const placeName = (place) => [say("placeFirst"), say("placeSecond"), say("placeThird")][place - 1] ?? say("placeOther", { n: place });

/**
 * Says what everybody may know of who won: what is published, and what the presentation told.
 * @param {Record<string, {id: string}[]>} winners published ones by category, the first one first
 * @param {Reveal|null} reveal
 * @returns {Map<string, number>} places by the ids of entries
 */
export function placesOf(winners, reveal) {
  const places = new Map(Object.values(winners).flatMap((list) => list.map(({ id }, at) => [id, at + 1])));
  for (const { places: told } of reveal?.told ?? []) for (const { id, place } of told) places.set(id, place);
  return places;
}

/**
 * Lists the stages to show: the categories that have published winners, and those that the presentation is at.
 * @param {{id: string, name: string}[]} categories in their order
 * @param {Record<string, object[]>} winners published ones by category
 * @param {Reveal|null} reveal
 * @returns {{id: string, name: string, places: {place: number}[]}[]} places of each, the first place first
 */
export function stagesOf(categories, winners, reveal) {
  const told = new Map((reveal?.told ?? []).map((one) => [one.id, one]));
  return categories.flatMap(({ id, name }) => {
    const one = told.get(id);
    // A category that is being told shows what was told of it, not what it had before.
    const places = one ? one.places : (winners[id] ?? []).map((winner, at) => ({ ...winner, place: at + 1 }));
    return places.length ? [{ id, name, places }] : [];
  });
}
