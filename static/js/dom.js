// Building and finding elements. Text only ever enters the page as text nodes and attributes, never as markup.

/**
 * Makes an element.
 * @param {string} tag name of the element, such as "li"
 * @param {Record<string, any>} [attributes] attributes; `on` holds listeners by event name, `dataset` data attributes;
 *   true sets an empty attribute, false, null and undefined leave it out
 * @param {...(Node|string|null|undefined)} children texts and nodes; null and undefined are left out
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    } else if (name === "dataset") {
      Object.assign(element.dataset, value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/**
 * Finds an element that the page is known to hold.
 * @param {string} id
 * @returns {HTMLElement}
 * @throws {Error} where there is none, because the page and its script do not belong together then
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`this page has no element #${id}`);
  return element;
}

/**
 * Makes an icon from the page's own sprite sheet.
 * @param {string} name the symbol's id in /icons.svg without its prefix
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `/icons.svg#${name}`);
  svg.append(use);
  return svg;
}
