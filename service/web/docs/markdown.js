// @ts-check
/** The part of Markdown that the OpenAPI document uses, as elements. */

import { make } from '../common/dom.js';

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
