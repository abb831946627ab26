// @ts-check
/**
 * The model of a replay: the task after each event, fast enough for scrubbing, and the bursts in which it was written.
 * Texts are arrays of code points, because events count these. Knows nothing of the page.
 */

import { TASK_RULES } from '../autosave/task-rules.js';

/** @typedef {{at: number, cut: number, insert: string}} Edit */

/**
 * @typedef {object} Envelope  docs/api.md, Events
 * @property {number} version
 * @property {string} type
 * @property {string} occurred_at
 * @property {string} actor
 * @property {string} cause
 * @property {Record<string, any>} data
 */

/**
 * @typedef {object} Frame  the task after the event at `index`
 * @property {number} index
 * @property {Envelope} event
 * @property {Record<'title' | 'description' | 'transcript', string[]>} texts  code points
 * @property {number[]} origins  for each code point of the description the index of the event that brought it
 * @property {Record<string, any>} fields
 * @property {Change | null} change
 */

/**
 * @typedef {object} Change  what the event did
 * @property {string} field
 * @property {number} at
 * @property {string} removed
 * @property {string} inserted
 */

/** @typedef {{first: number, last: number, start: number, end: number, added: number, removed: number}} Burst */

/** A longer pause (milliseconds) ends a burst. */
const BURST_PAUSE = 5000;
/** Pauses are played no longer than this (milliseconds). */
const MAX_PLAYED_PAUSE = 1000;
/** Every so many events a snapshot of the state is kept; more of them in a history with more than SNAPSHOTS such. */
const SNAPSHOT_EVENTS = 64;
const SNAPSHOTS = 256;

/** @type {Record<string, string>} */
const STATUS = {
  DraftCreated: 'draft', DraftRestored: 'draft', DraftPublished: 'open', DraftDiscarded: 'discarded', DraftExpired: 'expired',
};

export class Replay {
  /** @type {Envelope[]} */
  events;
  /** @type {Burst[]} */
  bursts;
  /** When each event is played, in milliseconds from the start. @type {number[]} */
  clock = [];
  /** @type {State[]} */
  #snapshots = [];
  #stride;

  /** @param {Envelope[]} events  all of a task, at least one */
  constructor(events) {
    this.events = events;
    this.#stride = Math.max(SNAPSHOT_EVENTS, Math.ceil(events.length / SNAPSHOTS));
    const state = new State();
    let before = Date.parse(events[0].occurred_at);
    events.forEach((event, index) => {
      if (index % this.#stride === 0) this.#snapshots.push(state.copy());
      state.apply(event, index);
      const now = Date.parse(event.occurred_at);
      this.clock.push((this.clock.at(-1) ?? 0) + Math.min(Math.max(now - before, 0), MAX_PLAYED_PAUSE));
      before = now;
    });
    this.bursts = burstsOf(events);
  }

  get length() {
    return this.events.length;
  }

  /**
   * The task after the event at `index`.
   * @param {number} index
   * @returns {Frame}
   */
  at(index) {
    const place = Math.floor(index / this.#stride);
    const state = this.#snapshots[place].copy();
    let change = null;
    for (let next = place * this.#stride; next <= index; next += 1) change = state.apply(this.events[next], next);
    return { index, event: this.events[index], texts: state.texts, origins: state.origins, fields: state.fields, change };
  }

  /** The index of the event at a time of the clock. @param {number} time */
  indexAt(time) {
    return lastIndex(this.clock, (start) => start <= time);
  }

  /** The number of the burst that an event belongs to. @param {number} index */
  burstAt(index) {
    return lastIndex(this.bursts, ({ first }) => first <= index);
  }
}

/**
 * The index of the last item for which it holds, by binary search; 0 if there is none.
 * @template T
 * @param {T[]} items  it holds for the first ones only
 * @param {(item: T) => boolean} holds
 */
function lastIndex(items, holds) {
  let low = 0;
  let high = items.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (holds(items[middle])) low = middle;
    else high = middle - 1;
  }
  return low;
}

class State {
  /** @type {Frame['texts']} */
  texts = { title: [], description: [], transcript: [] };
  /** @type {number[]} */
  origins = [];
  /** @type {Record<string, any>} */
  fields = { ...TASK_RULES.newDraft };

  copy() {
    const other = new State();
    other.texts = {
      title: this.texts.title.slice(), description: this.texts.description.slice(), transcript: this.texts.transcript.slice(),
    };
    other.origins = this.origins.slice();
    other.fields = { ...this.fields };
    return other;
  }

  /**
   * @param {Envelope} event
   * @param {number} index
   * @returns {Change | null}
   */
  apply({ type, data }, index) {
    if (type in STATUS) {
      this.fields.status = STATUS[type];
      if (type === 'DraftPublished') this.fields.compute_budget = data.compute_budget;
      return { field: 'status', at: 0, removed: '', inserted: '' };
    }
    if (type === 'AttachmentAdded') this.fields.attachments = [...this.fields.attachments, data.reference];
    if (type === 'AttachmentRemoved') {
      this.fields.attachments = this.fields.attachments.filter((/** @type {string} */ other) => other !== data.reference);
    }
    if (type.startsWith('Attachment')) return { field: 'attachments', at: 0, removed: '', inserted: '' };
    if (data.edit) return this.#edit(type === 'TranscriptChanged' ? 'transcript' : data.field, data.edit, index);
    this.fields[data.field] = data.value;
    return { field: data.field, at: 0, removed: '', inserted: '' };
  }

  /**
   * @param {'title' | 'description' | 'transcript'} field
   * @param {Edit} edit
   * @param {number} index
   */
  #edit(field, { at, cut, insert }, index) {
    const points = Array.from(insert);
    const text = this.texts[field];
    const removed = text.splice(at, cut, ...points).join('');
    if (field === 'description') this.origins.splice(at, cut, ...points.map(() => index));
    return { field, at, removed, inserted: insert };
  }
}

/**
 * @param {Envelope[]} events
 * @returns {Burst[]}
 */
function burstsOf(events) {
  /** @type {Burst[]} */
  const bursts = [];
  events.forEach((event, index) => {
    const time = Date.parse(event.occurred_at);
    let burst = bursts.at(-1);
    if (!burst || time - burst.end > BURST_PAUSE) {
      burst = { first: index, last: index, start: time, end: time, added: 0, removed: 0 };
      bursts.push(burst);
    }
    burst.last = index;
    burst.end = time;
    burst.added += Array.from(event.data.edit?.insert ?? '').length;
    burst.removed += event.data.edit?.cut ?? 0;
  });
  return bursts;
}
