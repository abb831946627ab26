// @ts-check
/** The list of the latest events: newest first, typing in one row, can be paused, announced from time to time. */

import { byId, make } from '../common/dom.js';
import { fieldName } from '../common/field-names.js';
import { count, dayAndMonth } from '../common/format.js';

/** The number of rows that are shown. */
const MAX_ROWS = 40;
/** The number of events that are kept while the list is paused. */
const MAX_WAITING = 1_000;
/** After a pause of this length (milliseconds) typing begins a new row. */
const TYPING_PAUSE = 60_000;
/** Typing makes many events a second; the list is drawn at most this often (milliseconds). */
const DRAW_EVERY = 200;
const ANNOUNCE_EVERY = 10_000;

/** @type {Record<string, string>} */
const EVENTS = {
  DraftCreated: 'Created',
  AttachmentAdded: 'Added an attachment',
  AttachmentRemoved: 'Removed an attachment',
  DraftPublished: 'Published',
  DraftDiscarded: 'Discarded',
  DraftExpired: 'Expired',
  DraftRestored: 'Restored',
};

export class EventList {
  /** Newest last. @type {any[]} */
  #waiting = [];
  /** What the list shows, newest first. @type {Row[]} */
  #rows = [];
  #missed = 0;
  #paused = false;
  #unannounced = 0;
  #links = false;
  #drawing = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #announcing;

  constructor() {
    byId('pause').addEventListener('click', () => this.#pause(!this.#paused));
  }

  /** @param {boolean} links  whether the reader may see histories */
  reset(links) {
    this.#links = links;
    this.#waiting = [];
    this.#unannounced = this.#missed = 0;
    byId('events').replaceChildren();
    this.#rows = [];
    byId('no-events').hidden = false;
    this.#pause(false);
    this.showState('connecting');
  }

  /** @param {'connecting' | 'live' | 'waiting' | 'refused'} state */
  showState(state) {
    const text = { connecting: 'Connecting…', live: 'Connected', waiting: 'Connection lost, trying again', refused: 'Not connected' };
    byId('live-state').dataset.state = state;
    byId('live-words').textContent = text[state];
  }

  /**
   * @param {any} event
   * @param {boolean} isNew  whether it was recorded after the page was opened
   */
  add(event, isNew) {
    this.#waiting.push(event);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
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
      const before = last >= 0 && isSameTyping(this.#rows[last].event, event) ? this.#rows.splice(last, 1)[0] : null;
      before?.item?.remove();
      this.#rows.unshift(added(before, event));
    }
    this.#waiting = [];
    this.#rows.splice(MAX_ROWS).forEach((each) => each.item?.remove());
    // New rows are put in front, and the others are not touched, so that they keep the focus.
    list.prepend(...this.#rows.filter((each) => !each.item).map((each) => (each.item = item(each, this.#links))));
    byId('no-events').hidden = list.childElementCount > 0;
  }

  #announceSoon() {
    this.#unannounced++;
    this.#announcing ??= setTimeout(() => {
      byId('live-announcement').textContent = this.#unannounced === 1 ? 'One new event' : `${count(this.#unannounced)} new events`;
      this.#unannounced = 0;
      this.#announcing = undefined;
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
 * Whether an event of a draft continues the typing of the last one.
 * @param {any} last
 * @param {any} event
 */
function isSameTyping(last, event) {
  return event.data.edit && event.type === last.type && event.data.field === last.data.field && event.cause === last.cause
    && Date.parse(event.occurred_at) - Date.parse(last.occurred_at) < TYPING_PAUSE;
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
  const shownTime = time.toDateString() === new Date().toDateString()
    ? time.toLocaleTimeString('en-GB')
    : dayAndMonth(time);
  const task = event.task_id.slice(0, 8);
  const shown = make('li', { className: `event ${event.type}` },
    make('time', { dateTime: event.occurred_at, title: time.toLocaleString('en') }, shownTime),
    make('span', { className: 'what' }, events > 1 ? `${describe(event)} × ${count(events)}` : describe(event)),
    make('span', { className: 'size' }, size(typed, deleted)),
    links
      ? make('a', { className: 'whose', href: `/replay/${event.task_id}`, title: event.task_id }, task)
      : make('span', { className: 'whose', title: event.task_id }, task));
  shown.dataset.position = event.position;
  return shown;
}

/** What was done to a whole value, instead of typing. @type {Record<string, string>} */
const WHOLE_VALUE = { revert: 'Reverted', duplicate: 'Copied', create: 'Set' };

/** @param {any} event */
function describe({ type, cause, data }) {
  if (type !== 'DraftFieldChanged' && type !== 'TranscriptChanged') return EVENTS[type] ?? type;
  return `${WHOLE_VALUE[cause] ?? 'Edited'} ${fieldName(data.field ?? 'transcript').toLowerCase()}`;
}

/**
 * How many characters were typed and deleted, but not which ones.
 * @param {number} typed
 * @param {number} deleted
 */
function size(typed, deleted) {
  return [typed ? `+${count(typed)}` : '', deleted ? `−${count(deleted)}` : ''].filter(Boolean).join(' ');
}
