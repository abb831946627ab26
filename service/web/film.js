// @ts-check
/**
 * A history as a film: the task at any point, fast enough to scrub, and the bursts in which it was written.
 * Texts are kept as code points, because that is what the events count. Knows nothing of the page.
 */

/** @typedef {{at: number, cut: number, insert: string}} Edit */

/**
 * @typedef {object} Envelope  contract section 6
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

/** A pause that is longer, in milliseconds, ends a burst. */
const PAUSE = 5000;
/** A pause is played as no longer than this, in milliseconds. */
const LONGEST_PAUSE = 1000;
/** Events between two states that are kept, at least; and how many states are, at most. */
const STRIDE = 64;
const KEPT = 256;

/** @type {Record<string, any>} */
const NEW = {
  status: 'draft', category: '', task_type: '', budget_usd: 0, experimentation: 0.3, requirements: {},
  brand_kit_id: null, attachments: [], compute_budget: null,
};

/** @type {Record<string, string>} */
const STATUS = {
  DraftCreated: 'draft', DraftRestored: 'draft', DraftPublished: 'open', DraftDiscarded: 'discarded', DraftExpired: 'expired',
};

export class Film {
  /** @type {Envelope[]} */
  events;
  /** @type {Burst[]} */
  bursts;
  /** When each event comes, in milliseconds of the film. @type {number[]} */
  clock = [];
  /** @type {State[]} */
  #kept = [];
  #stride;

  /** @param {Envelope[]} events  all of a task, at least one */
  constructor(events) {
    this.events = events;
    this.#stride = Math.max(STRIDE, Math.ceil(events.length / KEPT));
    const state = new State();
    let before = Date.parse(events[0].occurred_at);
    events.forEach((event, index) => {
      if (index % this.#stride === 0) this.#kept.push(state.copy());
      state.apply(event, index);
      const now = Date.parse(event.occurred_at);
      this.clock.push((this.clock.at(-1) ?? 0) + Math.min(Math.max(now - before, 0), LONGEST_PAUSE));
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
    const state = this.#kept[place].copy();
    let change = null;
    for (let next = place * this.#stride; next <= index; next += 1) change = state.apply(this.events[next], next);
    return { index, event: this.events[index], texts: state.texts, origins: state.origins, fields: state.fields, change };
  }

  /** The event that the film shows at a time of its clock. @param {number} time */
  indexAt(time) {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.clock[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The number of the burst that an event belongs to. @param {number} index */
  burstAt(index) {
    let low = 0;
    let high = this.bursts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.bursts[middle].first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

class State {
  /** @type {Frame['texts']} */
  texts = { title: [], description: [], transcript: [] };
  /** @type {number[]} */
  origins = [];
  fields = { ...NEW };

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
      this.fields.attachments = this.fields.attachments.filter((/** @type {string} */ one) => one !== data.reference);
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
    if (!burst || time - burst.end > PAUSE) {
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
