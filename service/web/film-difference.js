// @ts-check
/** The comparison of two versions, as the service makes it. */

import { byId, make } from './elements.js';
import { LABELS, shown } from './film-picture.js';
import { NoAnswer } from './wire.js';

/**
 * @param {import('./wire.js').Wire} wire
 * @param {string} task
 * @param {() => void} signedOut
 */
export function offerDifference(wire, task, signedOut) {
  byId('difference-form').addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    const [from, to] = ['from', 'to'].map((id) => byId(id, HTMLInputElement).value);
    byId('difference-error').textContent = '';
    try {
      const answer = await wire.call('GET', `/${task}/diff?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`);
      if (answer.ok) show(answer.body);
      else byId('difference-error').textContent = answer.problem?.detail ?? 'The service refused.';
    } catch (reason) {
      if (reason instanceof NoAnswer) byId('difference-error').textContent = 'The service does not answer. Try again.';
      else signedOut();
    }
  });
}

/** @param {{from: number, to: number, fields: {field: string, before: any, after: any, segments?: {op: string, text: string}[]}[]}} difference */
function show({ from, to, fields }) {
  const found = byId('difference');
  const heading = fields.length ? `From version ${from} to ${to}` : `Versions ${from} and ${to} are the same.`;
  found.replaceChildren(make('p', { className: 'quiet', textContent: heading }), ...fields.flatMap((field) => [
    make('h4', { textContent: LABELS[field.field] ?? field.field }),
    make('div', { className: 'compared' }, ...pieces(field)),
  ]));
  found.focus();
}

const TAGS = /** @type {Record<string, string>} */ ({ insert: 'ins', delete: 'del', equal: 'span' });

/** @param {{field: string, before: any, after: any, segments?: {op: string, text: string}[]}} field */
function pieces({ field, before, after, segments }) {
  if (segments) return segments.map(({ op, text }) => make(TAGS[op], { textContent: text }));
  return [make('del', { textContent: shown(field, before) }), ' ', make('ins', { textContent: shown(field, after) })];
}
