// @ts-check
/** The list of latest events: newest first, typing in one row, pausable, and read out now and then. */

import { byId, count, make } from './elements.js';
import { fieldWords } from './figures.js';

/** Rows that are shown. */
const KEPT = 40;
/** Events that wait for them, while the list is paused. */
const HELD = 1_000;
/** After this long (milliseconds) typing begins a row of its own. */
const PAUSE = 60_000;
/** Typing makes many events a second; the list is drawn this often (milliseconds). */
const DRAW_EVERY = 200;
const ANNOUNCE_EVERY = 10_000;

/** @type {Record<string, string>} */
const WORDS = {
  DraftCreated: 'Created',
  TranscriptChanged: 'Edited voice transcript',
  AttachmentAdded: 'Added an attachment',
  AttachmentRemoved: 'Removed an attachment',
  DraftPublished: 'Published',
  DraftDiscarded: 'Discarded',
  DraftExpired: 'Expired',
  DraftRestored: 'Restored',
};

export class Live {
  /** Newest last. @type {any[]} */
  #waiting = [];
  /** What the list shows, newest first. @type {Row[]} */
  #rows = [];
  #missed = 0;
  #paused = false;
  #unsaid = 0;
  #links = false;
  #drawing = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #saying;

  constructor() {
    byId('pause').addEventListener('click', () => this.#pause(!this.#paused));
  }

  /** @param {boolean} links  whether who reads may see histories */
  begin(links) {
    this.#links = links;
    this.#waiting = [];
    this.#unsaid = this.#missed = 0;
    byId('events').replaceChildren();
    this.#rows = [];
    byId('no-events').hidden = false;
    this.#pause(false);
    this.say('connecting');
  }

  /** @param {'connecting' | 'live' | 'waiting' | 'refused'} state */
  say(state) {
    const words = { connecting: 'Connecting…', live: 'Connected', waiting: 'Connection lost, trying again', refused: 'Not connected' };
    byId('live-state').dataset.state = state;
    byId('live-words').textContent = words[state];
  }

  /**
   * @param {any} event
   * @param {boolean} isNew  not one that was there before the page
   */
  add(event, isNew) {
    this.#waiting.push(event);
    if (this.#waiting.length > HELD) this.#waiting.shift();
    if (this.#paused) {
      this.#missed++;
      byId('pause').textContent = `Resume (${count(this.#missed)} new)`;
      return;
    }
    if (isNew) this.#announceSoon();
    this.#drawSoon();
  }

  /** @param {boolean} paused */
  #pause(paused) {
    this.#paused = paused;
    this.#missed = 0;
    byId('pause').textContent = paused ? 'Resume' : 'Pause';
    byId('live-state').classList.toggle('paused', paused);
    if (!paused) this.#draw();
  }

  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => {
      this.#drawing = false;
      if (!this.#paused) this.#draw();
    }, DRAW_EVERY);
  }

  #draw() {
    const list = byId('events');
    for (const event of this.#waiting) {
      const last = this.#rows.findIndex((each) => each.event.task_id === event.task_id);
      const before = last >= 0 && goesOn(this.#rows[last].event, event) ? this.#rows.splice(last, 1)[0] : null;
      before?.item?.remove();
      this.#rows.unshift(added(before, event));
    }
    this.#waiting = [];
    this.#rows.splice(KEPT).forEach((each) => each.item?.remove());
    // All that is not there yet stands in front: what stays is not touched, so that it keeps the focus.
    list.prepend(...this.#rows.filter((each) => !each.item).map((each) => (each.item = item(each, this.#links))));
    byId('no-events').hidden = list.childElementCount > 0;
  }

  #announceSoon() {
    this.#unsaid++;
    this.#saying ??= setTimeout(() => {
      byId('live-announcement').textContent = this.#unsaid === 1 ? 'One new event' : `${count(this.#unsaid)} new events`;
      this.#unsaid = 0;
      this.#saying = undefined;
    }, ANNOUNCE_EVERY);
  }
}

/**
 * One row: an event, or the edits of one field of a draft that follow each other, as typing makes them.
 * @typedef {object} Row
 * @property {any} event  the last one
 * @property {number} count
 * @property {number} typed  characters
 * @property {number} deleted
 * @property {HTMLElement} [item]  once it was shown
 */

/**
 * Whether two events of a draft are the same typing.
 * @param {any} last
 * @param {any} event
 */
function goesOn(last, event) {
  return event.data.edit && event.type === last.type && event.data.field === last.data.field && event.cause === last.cause
    && Date.parse(event.occurred_at) - Date.parse(last.occurred_at) < PAUSE;
}

/**
 * @param {Row | null} before
 * @param {any} event
 * @returns {Row}
 */
function added(before, event) {
  const { edit } = event.data;
  return {
    event,
    count: (before?.count ?? 0) + 1,
    typed: (before?.typed ?? 0) + (edit ? edit.insert_length ?? [...edit.insert].length : 0),
    deleted: (before?.deleted ?? 0) + (edit ? edit.cut : 0),
  };
}

/**
 * @param {Row} row
 * @param {boolean} links
 */
function item({ event, count: events, typed, deleted }, links) {
  const time = new Date(event.occurred_at);
  const told = time.toDateString() === new Date().toDateString()
    ? time.toLocaleTimeString('en-GB')
    : time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const task = event.task_id.slice(0, 8);
  const shown = make('li', { className: `event ${event.type}` },
    make('time', { dateTime: event.occurred_at, title: time.toLocaleString('en') }, told),
    make('span', { className: 'what' }, events > 1 ? `${words(event)} × ${count(events)}` : words(event)),
    make('span', { className: 'size' }, size(typed, deleted)),
    links
      ? make('a', { className: 'whose', href: `/replay/${event.task_id}`, title: event.task_id }, task)
      : make('span', { className: 'whose', title: event.task_id }, task));
  shown.dataset.position = event.position;
  return shown;
}

/** @param {any} event */
function words({ type, cause, data }) {
  const what = type === 'DraftFieldChanged' ? `Edited ${fieldWords(data.field).toLowerCase()}` : WORDS[type] ?? type;
  const whole = type === 'DraftFieldChanged' || type === 'TranscriptChanged';
  return whole && ['revert', 'duplicate', 'create'].includes(cause) ? what.replace('Edited', { revert: 'Reverted', duplicate: 'Copied', create: 'Set' }[cause] ?? '') : what;
}

/**
 * How many characters were typed and deleted; never which.
 * @param {number} typed
 * @param {number} deleted
 */
function size(typed, deleted) {
  return [typed ? `+${count(typed)}` : '', deleted ? `−${count(deleted)}` : ''].filter(Boolean).join(' ');
}
