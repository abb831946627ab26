// @ts-check
/** Draws a frame of the film: the text with what was just typed and removed, the fields beside it, who and when. */

import { byId, count, make } from './elements.js';

/** @typedef {import('./film.js').Film} Film */
/** @typedef {import('./film.js').Frame} Frame */

/** Colours that `replay.css` has for bursts. */
const COLOURS = 8;

/** @type {Record<string, string>} */
export const LABELS = {
  status: 'Status', category: 'Category', task_type: 'Task type', budget_usd: 'Budget', experimentation: 'Experimentation',
  requirements: 'Requirements', brand_kit_id: 'Brand kit', attachments: 'Attachments', compute_budget: 'Compute budget',
};

/** @type {Record<string, string>} */
const DEEDS = {
  DraftCreated: 'created', AttachmentAdded: 'attachment added', AttachmentRemoved: 'attachment removed',
  DraftPublished: 'published', DraftDiscarded: 'discarded', DraftExpired: 'expired', DraftRestored: 'restored',
};

const clockTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });

/**
 * @param {Film} film
 * @param {Frame} frame
 * @param {boolean} coloured  each character by the burst that brought it
 */
export function draw(film, frame, coloured) {
  const { texts, change } = frame;
  const title = texts.title.join('');
  byId('heading').textContent = title || 'Untitled';
  byId('heading').classList.toggle('just', change?.field === 'title');
  byId('moment').textContent = sentence(film, frame);
  const text = byId('text');
  text.replaceChildren(...(coloured ? byBurst(film, frame) : written(texts.description, 'description', change)));
  if (!texts.description.length && !change?.removed) text.append(make('span', { className: 'quiet', textContent: 'Nothing written yet.' }));
  text.querySelector('ins, del')?.scrollIntoView({ block: 'nearest' });
  const transcript = byId('transcript-details', HTMLDetailsElement);
  transcript.hidden = !texts.transcript.length && change?.field !== 'transcript';
  if (change?.field === 'transcript') transcript.open = true;
  byId('transcript').replaceChildren(...written(texts.transcript, 'transcript', change));
  fields(frame);
}

/**
 * Version, deed, person and time, as words.
 * @param {Film} film
 * @param {Frame} frame
 */
export function sentence(film, { index, event, change }) {
  const who = event.actor === 'system' ? 'the service' : `user ${event.actor.slice(0, 8)}`;
  const field = change ? (LABELS[change.field] ?? change.field).toLowerCase() : '';
  const deed = DEEDS[event.type] ?? `${field} changed`;
  const why = event.cause === 'revert' ? ', by going back' : '';
  return `Version ${event.version} of ${film.events[film.length - 1].version}: ${deed}${why}, by ${who}, ${clockTime.format(Date.parse(event.occurred_at))}`;
}

/**
 * @param {string[]} points
 * @param {string} field
 * @param {Frame['change']} change
 */
function written(points, field, change) {
  if (change?.field !== field) return [points.join('')];
  const end = change.at + Array.from(change.inserted).length;
  const removed = change.removed ? [make('del', { textContent: change.removed })] : [];
  const inserted = change.inserted ? [make('ins', { textContent: change.inserted })] : [];
  return [points.slice(0, change.at).join(''), ...removed, ...inserted, points.slice(end).join('')];
}

/**
 * @param {Film} film
 * @param {Frame} frame
 */
function byBurst(film, { texts, origins }) {
  const parts = [];
  let start = 0;
  for (let end = 1; end <= origins.length; end += 1) {
    const burst = film.burstAt(origins[start]);
    if (end < origins.length && film.burstAt(origins[end]) === burst) continue;
    const { first, last, start: time } = film.bursts[burst];
    parts.push(make('span', {
      className: `burst c${burst % COLOURS}`,
      title: `Versions ${film.events[first].version} to ${film.events[last].version}, ${clockTime.format(time)}`,
      textContent: texts.description.slice(start, end).join(''),
    }));
    start = end;
  }
  return parts;
}

/** @param {Frame} frame */
function fields({ fields: values, change }) {
  byId('fields').replaceChildren(...Object.entries(LABELS).flatMap(([name, label]) => {
    const just = change?.field === name ? 'just' : '';
    return [make('dt', { textContent: label }), make('dd', { className: just, textContent: shown(name, values[name]) })];
  }));
}

/**
 * @param {string} name
 * @param {any} value
 */
export function shown(name, value) {
  if (value === null || value === '' || (name === 'budget_usd' && value === 0)) return '—';
  if (Array.isArray(value)) return value.join('\n') || '—';
  if (typeof value === 'object') return Object.keys(value).length ? JSON.stringify(value, null, 1) : '—';
  return name.endsWith('budget') || name === 'budget_usd' ? `$${value}` : String(value);
}

/**
 * The blocks of the timeline and the list beside it.
 * @param {Film} film
 * @param {(index: number) => void} go
 */
export function drawBursts(film, go) {
  const timeline = byId('timeline', /** @type {any} */ (SVGElement));
  const rates = film.bursts.map(({ first, last, start, end }) => (last - first + 1) / (1 + (end - start) / 1000));
  const most = Math.max(...rates);
  const blocks = film.bursts.map(({ first, last }, number) => {
    const block = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    const height = 6 + 26 * (rates[number] / most);
    const from = (1000 * first) / film.length;
    const attributes = { x: from, width: (1000 * (last + 1)) / film.length - from, y: 32 - height, height, class: `c${number % COLOURS}` };
    for (const [name, value] of Object.entries(attributes)) block.setAttribute(name, String(value));
    return block;
  });
  timeline.replaceChildren(...blocks);
  byId('bursts').replaceChildren(...film.bursts.map(({ first, last, start, added, removed }, number) => make('li', {},
    make('button', { type: 'button', className: `link c${number % COLOURS}`, onclick: () => go(last) },
      `${clockTime.format(start)} `,
      make('span', { className: 'quiet' }, `${count(last - first + 1)} ${last === first ? 'event' : 'events'}, +${count(added)} −${count(removed)}`)))));
}

/** Marks the burst that is shown. @param {number} number */
export function markBurst(number) {
  for (const [place, item] of [...byId('bursts').children].entries()) {
    const button = item.firstElementChild;
    if (place === number) button?.setAttribute('aria-current', 'true');
    else button?.removeAttribute('aria-current');
  }
}
