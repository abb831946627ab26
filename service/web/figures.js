// @ts-check
/** The words and tables for figures: durations, shares, names of fields. */

import { count, make } from './elements.js';

/** @type {[string, number][]} */
const UNITS = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];

/** Two units at most: `3 min 20 s`. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const first = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[first];
  const next = UNITS[first + 1];
  if (!next) return `${whole} s`;
  const rest = Math.floor((whole % size) / next[1]);
  return `${count(Math.floor(whole / size))} ${unit}${rest ? ` ${rest} ${next[0]}` : ''}`;
}

/**
 * @param {number} part
 * @param {number} whole
 */
export function share(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : '–';
}

/** @param {string} field  as statistics and events name it */
export function fieldWords(field) {
  if (field === 'none') return 'Never edited';
  const words = field.replace(/_(id|usd)$/, '').replaceAll('_', ' ');
  return words[0].toUpperCase() + words.slice(1);
}

/** @param {string} day  2026-01-31 */
export function dayWords(day) {
  return new Date(`${day}T00:00Z`).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

/**
 * @typedef {string | number | null | {value: number, words: string}} Cell
 * Fills a table; the first cell of a row names it.
 * @param {HTMLElement} table
 * @param {string} caption
 * @param {string[]} columns
 * @param {Cell[][]} rows
 */
export function fill(table, caption, columns, rows) {
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
  return make('data', { value: String(cell.value) }, cell.words);
}
