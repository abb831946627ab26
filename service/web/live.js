// @ts-check
/** The list of latest events: newest first, typing in one row, pausable, and read out now and then. */

import { byId, count, make } from './elements.js';
import { fieldWords } from './figures.js';

/** Rows that are shown. */
const KEPT = 40;
/** Events that wait for them, while the list is paused. */
const HELD = 1_000;
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
  /** What the first row of the list stands for. @type {Row | null} */
  #newest = null;
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
    this.#newest = null;
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
      const more = goesOn(this.#newest, event) ? this.#newest : null;
      if (more) list.firstElementChild?.remove();
      this.#newest = added(more, event);
      list.prepend(row(this.#newest, this.#links));
    }
    this.#waiting = [];
    while (list.childElementCount > KEPT) list.lastElementChild?.remove();
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
 * @typedef {{event: any, count: number, typed: number, deleted: number}} Row  the last event, and how much it all was
 */

/**
 * @param {Row | null} newest
 * @param {any} event
 * @returns {newest is Row}
 */
function goesOn(newest, event) {
  const last = newest?.event;
  return Boolean(last && event.data.edit && event.type === last.type && event.task_id === last.task_id
    && event.data.field === last.data.field && event.cause === last.cause);
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
 * @param {Row} shown
 * @param {boolean} links
 */
function row({ event, count: events, typed, deleted }, links) {
  const time = new Date(event.occurred_at);
  const told = time.toDateString() === new Date().toDateString()
    ? time.toLocaleTimeString('en-GB')
    : time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const task = event.task_id.slice(0, 8);
  const item = make('li', { className: `event ${event.type}` },
    make('time', { dateTime: event.occurred_at, title: time.toLocaleString('en') }, told),
    make('span', { className: 'what' }, events > 1 ? `${words(event)} × ${count(events)}` : words(event)),
    make('span', { className: 'size' }, size(typed, deleted)),
    links
      ? make('a', { className: 'whose', href: `/replay/${event.task_id}`, title: event.task_id }, task)
      : make('span', { className: 'whose', title: event.task_id }, task));
  item.dataset.position = event.position;
  return item;
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
