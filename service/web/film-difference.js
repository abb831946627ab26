// @ts-check
/** The comparison of two versions, as the service makes it, in the place of the film's text. */

import { byId, count, make } from './elements.js';
import { LABELS, keepInView, shown } from './film-picture.js';
import { NoAnswer } from './wire.js';

/**
 * @param {import('./wire.js').Wire} wire
 * @param {string} task
 * @param {() => void} begun  before versions are compared
 * @param {() => void} signedOut
 */
export function offerDifference(wire, task, begun, signedOut) {
  byId('difference-form').addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    begun();
    const [from, to] = ['from', 'to'].map((id) => byId(id, HTMLInputElement).value);
    refuse('');
    try {
      const answer = await wire.call('GET', `/${task}/diff?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`);
      if (answer.ok) show(answer.body);
      else refuse(answer.problem?.detail ?? 'The service refused.');
    } catch (reason) {
      if (reason instanceof NoAnswer) refuse('The service does not answer. Try again.');
      else signedOut();
    }
  });
  byId('difference-close').addEventListener('click', () => {
    closeDifference();
    byId('text').focus();
  });
}

/** Shows the film's text again. */
export function closeDifference() {
  byId('difference').hidden = true;
  byId('frame').hidden = false;
}

/** @param {string} words */
function refuse(words) {
  byId('difference-error').textContent = words;
}

/** @typedef {{field: string, before: any, after: any, segments?: {op: string, text: string}[]}} Field */

/** @param {{from: number, to: number, fields: Field[]}} difference */
function show({ from, to, fields }) {
  byId('difference-title').textContent = `Version ${from} compared with ${to}`;
  const same = make('p', { textContent: 'They are the same.' });
  byId('difference-fields').replaceChildren(...(fields.length ? fields.flatMap(compared) : [same]));
  byId('frame').hidden = true;
  byId('difference').hidden = false;
  for (const box of document.querySelectorAll('.compared')) {
    const first = box.querySelector('ins, del');
    if (first) keepInView(box, first);
  }
  byId('difference-title').focus();
}

/** @param {Field} field */
function compared(field) {
  const label = LABELS[field.field] ?? field.field[0].toUpperCase() + field.field.slice(1);
  return [
    make('h3', {}, `${label} `, make('span', { className: 'quiet', textContent: amount(field) })),
    make('div', { className: 'text compared', tabIndex: 0, role: 'region', 'aria-label': `${label} compared` }, ...pieces(field)),
  ];
}

/** How many characters came and went. @param {Field} field */
function amount({ segments }) {
  if (!segments) return '';
  const [added, removed] = ['insert', 'delete'].map((wanted) => segments
    .reduce((sum, { op, text }) => sum + (op === wanted ? Array.from(text).length : 0), 0));
  return `+${count(added)} −${count(removed)}`;
}

const TAGS = /** @type {Record<string, string>} */ ({ insert: 'ins', delete: 'del', equal: 'span' });

/** @param {Field} field */
function pieces({ field, before, after, segments }) {
  if (segments) return segments.map(({ op, text }) => make(TAGS[op], { textContent: text }));
  return [make('del', { textContent: shown(field, before) }), ' ', make('ins', { textContent: shown(field, after) })];
}
