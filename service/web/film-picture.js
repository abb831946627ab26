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

/** @type {Intl.DateTimeFormatOptions} */
const TO_THE_SECOND = {
  year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
};
const clockTime = new Intl.DateTimeFormat('en', TO_THE_SECOND);
const zonedTime = new Intl.DateTimeFormat('en', { ...TO_THE_SECOND, timeZoneName: 'short' });

/** Code points of what was typed or removed that a sentence quotes. */
const QUOTED = 40;
/** Pixels between what is kept in view and the edge of its box. */
const MARGIN = 40;

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
  byId('moment').textContent = deed(film, frame);
  byId('who').textContent = `${when(frame)} · ${who(frame)}`;
  const text = byId('text');
  text.replaceChildren(...(coloured ? byBurst(film, frame) : written(texts.description, 'description', change)));
  if (!texts.description.length && !change?.removed) text.append(make('span', { className: 'quiet', textContent: 'Nothing written yet.' }));
  keepMarkInView();
  const transcript = byId('transcript-details', HTMLDetailsElement);
  transcript.hidden = !texts.transcript.length && change?.field !== 'transcript';
  if (change?.field === 'transcript') transcript.open = true;
  byId('transcript').replaceChildren(...written(texts.transcript, 'transcript', change));
  fields(frame);
}

/** Shows what was just typed or removed, also after the text's box has become another size. */
export function keepMarkInView() {
  const mark = byId('text').querySelector('ins, del');
  if (mark) keepInView(byId('text'), mark);
}

/**
 * Version, deed, person and time, as words.
 * @param {Film} film
 * @param {Frame} frame
 */
export function sentence(film, frame) {
  return `${deed(film, frame)}, by ${who(frame)}, ${when(frame)}`;
}

/**
 * @param {Film} film
 * @param {Frame} frame
 */
function deed(film, { event, change }) {
  const why = event.cause === 'revert' ? ', by going back' : '';
  return `Version ${event.version} of ${film.events[film.length - 1].version}: ${DEEDS[event.type] ?? changed(change)}${why}`;
}

/** @param {Frame['change']} change */
function changed(change) {
  if (!change) return 'changed';
  const field = (LABELS[change.field] ?? change.field).toLowerCase();
  const { removed, inserted } = change;
  if (removed && inserted) return `${quoted(removed)} replaced by ${quoted(inserted)} in the ${field}`;
  if (removed) return `${quoted(removed)} removed from the ${field}`;
  return inserted ? `${quoted(inserted)} typed into the ${field}` : `${field} changed`;
}

/** @param {string} text */
function quoted(text) {
  if (text === ' ') return 'a blank';
  if (text === '\n') return 'a line break';
  const points = Array.from(text);
  return `“${points.slice(0, QUOTED).join('').replaceAll('\n', '↵')}${points.length > QUOTED ? '…' : ''}”`;
}

/** @param {Frame} frame */
function who({ event }) {
  return event.actor === 'system' ? 'the service' : `user ${event.actor}`;
}

/** @param {Frame} frame */
function when({ event }) {
  return zonedTime.format(Date.parse(event.occurred_at));
}

/**
 * Scrolls a box, and nothing around it, as far as needed to show an element in it.
 * @param {Element} box
 * @param {Element} element
 */
export function keepInView(box, element) {
  const outer = box.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  const above = outer.top + MARGIN - inner.top;
  if (above > 0) box.scrollTop -= above;
  else box.scrollTop += Math.max(0, Math.min(inner.bottom + MARGIN - outer.bottom, -above));
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
      title: `${range(film, first, last)}, ${clockTime.format(time)}`,
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

/** Blocks of the timeline that still have room for a gap between them. */
const SPACED = 150;

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
  timeline.classList.toggle('spaced', blocks.length < SPACED);
  timeline.replaceChildren(...blocks);
  const list = byId('bursts');
  list.onkeydown = stepInList;
  list.replaceChildren(...film.bursts.map(({ first, last, start, added, removed }, number) => make('li', {},
    make('button', { type: 'button', tabIndex: -1, className: `link c${number % COLOURS}`, onclick: () => go(last) },
      make('span', { className: 'time', textContent: clockTime.format(start) }), ' ',
      make('span', { className: 'amount', textContent: `+${count(added)} −${count(removed)}` }), ' ',
      make('span', { className: 'quiet', textContent: range(film, first, last) })))));
}

/** The list is one stop of the Tab key, at the burst that is shown; the arrow keys go on from there. @param {KeyboardEvent} pressed */
function stepInList(pressed) {
  if (pressed.key !== 'ArrowUp' && pressed.key !== 'ArrowDown') return;
  const item = /** @type {Element} */ (pressed.target).closest('li');
  const next = pressed.key === 'ArrowUp' ? item?.previousElementSibling : item?.nextElementSibling;
  if (next?.firstElementChild instanceof HTMLElement) next.firstElementChild.focus();
  pressed.preventDefault();
}

/**
 * @param {Film} film
 * @param {number} first
 * @param {number} last
 */
function range(film, first, last) {
  const [from, to] = [first, last].map((index) => count(film.events[index].version));
  return first === last ? `Version ${from}` : `Versions ${from} to ${to}`;
}

/** Marks the burst that is shown, in the list and on the timeline, and keeps it in view. @param {number} number */
export function markBurst(number) {
  const list = byId('bursts');
  const button = list.children[number].firstElementChild;
  if (!button || button.hasAttribute('aria-current')) return;
  for (const before of list.querySelectorAll('[aria-current], [tabindex="0"]')) {
    before.removeAttribute('aria-current');
    before.setAttribute('tabindex', '-1');
  }
  button.setAttribute('aria-current', 'true');
  button.setAttribute('tabindex', '0');
  keepInView(list, button);
  document.querySelector('#timeline .now')?.classList.remove('now');
  document.querySelector('#timeline')?.children[number].classList.add('now');
}
