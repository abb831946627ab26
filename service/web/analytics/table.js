// @ts-check
/** The tables with the numbers of the charts. */

import { make } from '../common/dom.js';
import { count } from '../common/format.js';

/**
 * @typedef {string | number | null | {value: number, text: string}} Cell
 * Fills a table; the first cell of a row names it.
 * @param {HTMLElement} table
 * @param {string} caption
 * @param {string[]} columns
 * @param {Cell[][]} rows
 */
export function fillTable(table, caption, columns, rows) {
  table.replaceChildren(
    make('caption', { className: 'unseen' }, caption),
    make('thead', {}, make('tr', {}, ...columns.map((name) => make('th', { scope: 'col' }, name)))),
    make('tbody', {}, ...rows.map(([name, ...cells]) => make('tr', {},
      make('th', { scope: 'row' }, String(name)), ...cells.map((cell) => make('td', {}, content(cell)))))));
}

/** @param {Cell} cell */
function content(cell) {
  if (cell === null) return '–';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return make('data', { value: String(cell) }, count(cell));
  return make('data', { value: String(cell.value) }, cell.text);
}
