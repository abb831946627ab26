// @ts-check
/** The comparison of two versions, made by the service, in place of the replay's text. */

import { NoAnswer } from '../autosave/http.js';
import { byId, make } from '../common/dom.js';
import { fieldName } from '../common/field-names.js';
import { count, refusalText } from '../common/format.js';
import { keepInView, shown } from './replay-view.js';

/**
 * @param {import('../autosave/http.js').HttpClient} http
 * @param {string} task
 * @param {() => void} onCompare  called before versions are compared
 * @param {() => void} onSignedOut
 */
export function initDifference(http, task, onCompare, onSignedOut) {
  byId('difference-form').addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    onCompare();
    const [from, to] = ['from', 'to'].map((id) => byId(id, HTMLInputElement).value);
    showError('');
    try {
      const answer = await http.call('GET', `/${task}/diff?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`);
      if (answer.ok) show(answer.body);
      else showError(refusalText(answer.problem));
    } catch (reason) {
      if (reason instanceof NoAnswer) showError('The service does not answer. Try again.');
      else onSignedOut();
    }
  });
  byId('difference-close').addEventListener('click', () => {
    closeDifference();
    byId('text').focus();
  });
}

/** Shows the replay's text again. */
export function closeDifference() {
  byId('difference').hidden = true;
  byId('frame').hidden = false;
}

/** @param {string} words */
function showError(words) {
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
  const label = fieldName(field.field);
  return [
    make('h3', {}, `${label} `, make('span', { className: 'quiet', textContent: amount(field) })),
    make('div', { className: 'text compared', tabIndex: 0, role: 'region', 'aria-label': `${label} compared` }, ...pieces(field)),
  ];
}

/** How many characters were added and removed. @param {Field} field */
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
