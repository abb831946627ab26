// @ts-check
/** Elements of the API page, and the little Markdown that the document uses. */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties]  names with a dash are attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.includes('-')) element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children);
  return element;
}

/** @param {string} text */
export function code(text) {
  return make('code', {}, text);
}

/** Paragraphs, lists and `code`. @param {string} text @returns {HTMLElement[]} */
export function prose(text) {
  return text.split(/\n\n+/).filter(Boolean).map((block) => {
    if (!block.startsWith('- ')) return make('p', {}, ...spans(block));
    return make('ul', {}, ...block.slice(2).split(/\n- /).map((item) => make('li', {}, ...spans(item))));
  });
}

/** @param {string} text */
function spans(text) {
  return text.split('`').map((part, index) => (index % 2 ? code(part) : part));
}
