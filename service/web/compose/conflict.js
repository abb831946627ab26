// @ts-check
/** A conflict, after two people changed the same words: both versions side by side, and the decision. */

import { splices } from '../autosave/merge.js';
import { make } from '../common/dom.js';
import { fieldName } from '../common/field-names.js';

/** @typedef {import('../autosave/draft-state.js').State['conflicts'][number]} Conflict */

/**
 * @param {Conflict} conflict
 * @param {boolean} isText
 * @param {(chosen: any) => void} decide
 * @returns {HTMLElement}
 */
export function conflictCard({ field, mine, theirs, base, version }, isText, decide) {
  const heading = `conflict-${field}`;
  const choice = (/** @type {string} */ label, /** @type {any} */ value, /** @type {string} */ kind) =>
    make('button', { type: 'button', className: kind, onclick: () => decide(value) }, label);
  const shown = (/** @type {any} */ value) => make('blockquote', { dir: 'auto', tabIndex: 0, 'aria-label': 'Text' },
    ...(isText ? marked(String(base), String(value)) : [String(value) || '(empty)']));
  return make('section', { className: 'conflict', 'aria-labelledby': heading },
    make('h3', { id: heading, tabIndex: -1 }, `${fieldName(field)}: two versions`),
    make('p', {}, `${isText ? 'The same words were' : 'It was'} changed here and elsewhere. Nothing is overwritten until you choose, and the other version stays in the history.`),
    make('div', { className: 'versions' },
      make('div', {}, make('h4', {}, 'Yours, not saved yet'), shown(mine), choice('Keep yours', mine, 'primary')),
      make('div', {}, make('h4', {}, `Elsewhere, saved as version ${version}`), shown(theirs), choice('Take the other', theirs, ''))),
    ...(isText && field !== 'title' ? [choice('Keep both, one after the other', `${theirs}\n\n${mine}`, '')] : []));
}

/**
 * Scrolls long texts to their first difference, once the card is in the page.
 * @param {HTMLElement} card
 */
export function showDifferences(card) {
  for (const quote of card.querySelectorAll('blockquote')) {
    quote.scrollTop = (quote.querySelector('mark')?.offsetTop ?? 0) - quote.clientHeight / 3;
  }
}

/**
 * A text with the passages marked that are not in the older one.
 * @param {string} before
 * @param {string} after
 * @returns {(Node | string)[]}
 */
function marked(before, after) {
  const nodes = [];
  let at = 0;
  let shift = 0;
  for (const splice of splices(before, after).reverse()) {
    const from = splice.at + shift;
    nodes.push(after.slice(at, from));
    if (splice.insert) nodes.push(make('mark', {}, splice.insert));
    at = from + splice.insert.length;
    shift += splice.insert.length - splice.cut;
  }
  return [...nodes, after.slice(at)];
}
