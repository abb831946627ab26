// @ts-check
/** The list of latest events: newest first, pausable, and read out now and then instead of each time. */

import { byId, count, make } from './elements.js';
import { fieldWords } from './figures.js';

const KEPT = 40;
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
    if (this.#waiting.length > KEPT) this.#waiting.shift();
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
    list.prepend(...this.#waiting.reverse().map((event) => row(event, this.#links)));
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
 * @param {any} event
 * @param {boolean} links
 */
function row(event, links) {
  const time = new Date(event.occurred_at);
  const told = time.toDateString() === new Date().toDateString()
    ? time.toLocaleTimeString('en-GB')
    : time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const task = event.task_id.slice(0, 8);
  const item = make('li', { className: `event ${event.type}` },
    make('time', { dateTime: event.occurred_at, title: time.toLocaleString('en') }, told),
    make('span', { className: 'what' }, words(event)),
    make('span', { className: 'size' }, size(event.data)),
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

/** How much was typed and deleted; never what. @param {any} data */
function size({ edit }) {
  if (!edit) return '';
  const typed = edit.insert_length ?? [...edit.insert].length;
  return [typed ? `+${count(typed)}` : '', edit.cut ? `−${count(edit.cut)}` : ''].filter(Boolean).join(' ');
}
