// Ids for categories, made of their names.

/**
 * @param {string} name
 * @param {string[]} taken ids that are in use
 * @returns {string} letters, digits and hyphens, none of those taken
 */
export function categoryId(name, taken) {
  const base = name.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50) || "category";
  let id = base;
  for (let n = 2; taken.includes(id); n++) id = `${base}-${n}`;
  return id;
}
