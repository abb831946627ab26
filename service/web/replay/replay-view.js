// @ts-check
/** Draws a frame of the replay: the text with what was just typed and removed, the other fields, who and when. */

import { byId, make, makeSvg } from '../common/dom.js';
import { fieldName } from '../common/field-names.js';
import { count, dateTime, zonedDateTime } from '../common/format.js';

/** @typedef {import('./replay-model.js').Replay} Replay */
/** @typedef {import('./replay-model.js').Frame} Frame */

/** Colours that `replay.css` has for bursts. */
const COLOURS = 8;

/** What is shown next to the texts. */
const OTHER_FIELDS = [
  'status', 'category', 'task_type', 'budget_usd', 'experimentation', 'requirements', 'brand_kit_id', 'attachments',
  'compute_budget',
];

/** @type {Record<string, string>} */
const EVENTS = {
  DraftCreated: 'created', AttachmentAdded: 'attachment added', AttachmentRemoved: 'attachment removed',
  DraftPublished: 'published', DraftDiscarded: 'discarded', DraftExpired: 'expired', DraftRestored: 'restored',
};

/** A sentence quotes up to so many code points of what was typed or removed. */
const QUOTED = 40;
/** Pixels between what is kept in view and the edge of its box. */
const MARGIN = 40;

/**
 * @param {Replay} replay
 * @param {Frame} frame
 * @param {boolean} coloured  each character by the burst that brought it
 */
export function draw(replay, frame, coloured) {
  const { texts, change } = frame;
  const title = texts.title.join('');
  byId('heading').textContent = title || 'Untitled';
  byId('heading').classList.toggle('just', change?.field === 'title');
  byId('moment').textContent = action(replay, frame);
  byId('who').textContent = `${when(frame)} · ${who(frame)}`;
  const text = byId('text');
  text.replaceChildren(...(coloured ? byBurst(replay, frame) : written(texts.description, 'description', change)));
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
 * Version, action, user and time as a sentence.
 * @param {Replay} replay
 * @param {Frame} frame
 */
export function sentence(replay, frame) {
  return `${action(replay, frame)}, by ${who(frame)}, ${when(frame)}`;
}

/**
 * @param {Replay} replay
 * @param {Frame} frame
 */
function action(replay, { event, change }) {
  const why = event.cause === 'revert' ? ', by going back' : '';
  return `Version ${event.version} of ${replay.events[replay.length - 1].version}: ${EVENTS[event.type] ?? changed(change)}${why}`;
}

/** @param {Frame['change']} change */
function changed(change) {
  if (!change) return 'changed';
  const field = fieldName(change.field).toLowerCase();
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
  return zonedDateTime(Date.parse(event.occurred_at));
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
 * @param {Replay} replay
 * @param {Frame} frame
 */
function byBurst(replay, { texts, origins }) {
  const parts = [];
  let start = 0;
  for (let end = 1; end <= origins.length; end += 1) {
    const burst = replay.burstAt(origins[start]);
    if (end < origins.length && replay.burstAt(origins[end]) === burst) continue;
    const { first, last, start: time } = replay.bursts[burst];
    parts.push(make('span', {
      className: `burst c${burst % COLOURS}`,
      title: `${range(replay, first, last)}, ${dateTime(time)}`,
      textContent: texts.description.slice(start, end).join(''),
    }));
    start = end;
  }
  return parts;
}

/** @param {Frame} frame */
function fields({ fields: values, change }) {
  byId('fields').replaceChildren(...OTHER_FIELDS.flatMap((name) => {
    const just = change?.field === name ? 'just' : '';
    return [make('dt', { textContent: fieldName(name) }), make('dd', { className: just, textContent: shown(name, values[name]) })];
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

/** Up to so many blocks of the timeline have a gap between them. */
const MAX_SPACED = 150;

/**
 * Draws the blocks of the timeline, and the list of bursts.
 * @param {Replay} replay
 * @param {(index: number) => void} go
 */
export function drawBursts(replay, go) {
  const timeline = byId('timeline', /** @type {any} */ (SVGElement));
  const rates = replay.bursts.map(({ first, last, start, end }) => (last - first + 1) / (1 + (end - start) / 1000));
  const most = Math.max(...rates);
  const blocks = replay.bursts.map(({ first, last }, number) => {
    const height = 6 + 26 * (rates[number] / most);
    const from = (1000 * first) / replay.length;
    const width = (1000 * (last + 1)) / replay.length - from;
    return makeSvg('rect', { x: from, width, y: 32 - height, height, class: `c${number % COLOURS}` });
  });
  timeline.classList.toggle('spaced', blocks.length < MAX_SPACED);
  timeline.replaceChildren(...blocks);
  const list = byId('bursts');
  list.onkeydown = stepInList;
  list.replaceChildren(...replay.bursts.map(({ first, last, start, added, removed }, number) => make('li', {},
    make('button', { type: 'button', tabIndex: -1, className: `link c${number % COLOURS}`, onclick: () => go(last) },
      make('span', { className: 'time', textContent: dateTime(start) }), ' ',
      make('span', { className: 'amount', textContent: `+${count(added)} −${count(removed)}` }), ' ',
      make('span', { className: 'quiet', textContent: range(replay, first, last) })))));
}

/** Arrow keys move within the list, which is one stop of the Tab key. @param {KeyboardEvent} pressed */
function stepInList(pressed) {
  if (pressed.key !== 'ArrowUp' && pressed.key !== 'ArrowDown') return;
  const item = /** @type {Element} */ (pressed.target).closest('li');
  const next = pressed.key === 'ArrowUp' ? item?.previousElementSibling : item?.nextElementSibling;
  if (next?.firstElementChild instanceof HTMLElement) next.firstElementChild.focus();
  pressed.preventDefault();
}

/**
 * @param {Replay} replay
 * @param {number} first
 * @param {number} last
 */
function range(replay, first, last) {
  const [from, to] = [first, last].map((index) => count(replay.events[index].version));
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
