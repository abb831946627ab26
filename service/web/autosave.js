// @ts-check
/**
 * Keeps one draft of the service in step with what a person types, and says how that stands.
 * The face of its parts: outbox.js keeps, shared.js keeps tabs equal, sender.js and wire.js talk, record.js and
 * merge.js decide, bind.js ties inputs to it.
 * How to use it, what it promises and what not: docs/autosave-client.md.
 */

import { bind } from './bind.js';
import { Outbox } from './outbox.js';
import { NEW_DRAFT, TASK_FIELDS, absorbed, completed, describe, newRecord, resolved } from './record.js';
import { sameJson } from './merge.js';
import { Sender, Unwilling, isPassing } from './sender.js';
import { SharedDraft } from './shared.js';
import { NoAnswer, Refusal, Wire } from './wire.js';

export { Invalid, TASK_FIELDS } from './record.js';
export { NoAnswer, Refusal, SignedOut } from './wire.js';

/** @typedef {import('./record.js').State} State */
/** @typedef {import('./record.js').Field} Field */

/**
 * @typedef {object} Options
 * @property {string} id                      the draft's uuid; for a new one `newId()`
 * @property {boolean} [isNew]                the service need not have it yet: it is created by the first edit
 * @property {string} account                 the user's uuid: what two people type on one device is never mixed
 * @property {import('./wire.js').TokenSource} token
 * @property {string} [url]                   default `/api/v1/tasks`
 * @property {Record<string, Field>} [fields] default `TASK_FIELDS`
 * @property {number} [pause]                 milliseconds without typing after which is saved: 250
 * @property {number} [longest]               and how long typing on can put that off: 1,000
 * @property {number} [timeout]               for one request, doubled with each attempt: 20,000
 * @property {number} [backoff]               before the second attempt, doubled with each: 500
 * @property {number} [longestBackoff]        15,000
 * @property {number} [poll]                  how often a visible page asks for others' changes: 5,000; 0 for never
 * @property {string} [database]              name of the IndexedDB: `palimpsest-autosave`
 */

const DEFAULTS = {
  isNew: false, url: '/api/v1/tasks', fields: TASK_FIELDS, pause: 250, longest: 1_000, timeout: 20_000,
  backoff: 500, longestBackoff: 15_000, poll: 5_000, database: 'palimpsest-autosave',
};
/** How long opening waits for the service before it shows what this device has. */
const OPENING_PATIENCE = 2_000;
const LOAD_ATTEMPTS = 4;

/** Unlike `crypto.randomUUID`, also where a page is not served securely. */
export function newId() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0'));
  hex[6] = `4${hex[6][1]}`;
  hex[8] = `${'89ab'[parseInt(hex[8][0], 16) & 3]}${hex[8][1]}`;
  return hex.join('').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/**
 * One draft in one tab.
 *
 * Events: `values` (`detail`: names of the fields that others changed; `values` has them already),
 * `state` (`detail`: the new `State`), `task` (the acknowledged task changed; it is in `task`).
 */
export class Autosave extends EventTarget {
  #options;
  /** @type {SharedDraft} */
  #shared = /** @type {any} */ (null);
  /** @type {Sender} */
  #sender = /** @type {any} */ (null);
  /** @type {State | null} */
  #announced = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;
  #typingSince = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #polling;
  #closing = new AbortController();

  /** Use `Autosave.open`. @param {Options} options */
  constructor(options) {
    super();
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Resolves with the newest version, or with what this device keeps where the service does not answer soon.
   * @param {Options} options
   * @returns {Promise<Autosave>}
   * @throws {NoAnswer | SignedOut | Refusal}  where this device has nothing of the draft
   */
  static async open(options) {
    const draft = new Autosave(options);
    await draft.#open();
    return draft;
  }

  /**
   * The drafts of which this device keeps edits that the service has not acknowledged.
   * @param {string} account
   * @param {{database?: string}} [options]
   * @returns {Promise<string[]>}  their ids
   */
  static async unsent(account, { database = DEFAULTS.database } = {}) {
    const outbox = await Outbox.open(database);
    const records = await outbox.list(`${account}/`);
    outbox.close();
    return [...records].filter(([, record]) => record.open).map(([key]) => key.split('/')[1]);
  }

  /**
   * Removes what this device keeps of an account's drafts, for signing out on a shared one.
   * What is not acknowledged stays, and is counted.
   * @param {string} account
   * @param {{database?: string}} [options]
   * @returns {Promise<number>}
   */
  static async forget(account, { database = DEFAULTS.database } = {}) {
    const outbox = await Outbox.open(database);
    let left = 0;
    for (const [key, record] of await outbox.list(`${account}/`)) {
      if (record.open) left++;
      else await outbox.remove(key);
    }
    outbox.close();
    return left;
  }

  get id() {
    return this.#options.id;
  }

  /** The task as the service last acknowledged it. @returns {Record<string, any>} */
  get task() {
    return this.#shared.record.base.task;
  }

  /** What the person sees, by field. Change it through `set`. @returns {Readonly<Record<string, any>>} */
  get values() {
    return this.#shared.values;
  }

  /** @returns {State} */
  get state() {
    const { record, values, durable } = this.#shared;
    return describe(record, values, this.#options.fields, durable);
  }

  /**
   * What the person typed. Kept on this device within milliseconds, sent after a pause.
   * @param {string} field
   * @param {any} value
   */
  set(field, value) {
    if (!(field in this.#options.fields)) throw new TypeError(`no such field: ${field}`);
    if (sameJson(this.#shared.values[field], value)) return;
    this.#shared.values[field] = value;
    this.#shared.sync();
    this.#sendAfterPause();
    this.#announce();
  }

  /**
   * Ties a field to an input, textarea or select. What others write arrives around the cursor, never under it, and never
   * within a word that an input method is still composing.
   * @param {string} field
   * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
   */
  bind(field, element) {
    const { text } = this.#options.fields[field];
    bind(this, field, element, Boolean(text), this.#closing.signal);
  }

  /**
   * The person's decision about a conflict: theirs, mine, or a text made of both. What loses is in the history.
   * @param {string} field
   * @param {any} chosen
   * @returns {Promise<State>}
   */
  async resolve(field, chosen) {
    const { values } = this.#shared;
    const mine = values[field];
    values[field] = chosen;
    await this.#shared.change((record) => resolved(record, field, mine, chosen, this.#options.fields));
    this.dispatchEvent(new CustomEvent('values', { detail: [field] }));
    return this.flush();
  }

  /**
   * Sends at once what is waiting.
   * @returns {Promise<State>}  how it stands when there is no more to do now; `saved` if all went well
   */
  async flush() {
    this.#endPause();
    await this.#sender.flush();
    return this.state;
  }

  /**
   * Tries again now, after a new sign-in or because the person asks. The service's own `Retry-After` still counts.
   * @returns {Promise<State>}
   */
  async retry() {
    this.#endPause();
    await this.#sender.retry();
    return this.state;
  }

  /** Fetches and merges what others changed. @returns {Promise<State>} */
  async refresh() {
    this.#endPause();
    await this.#sender.refresh();
    return this.state;
  }

  /**
   * Another changing request on the draft (`/publish`, `/attachments`, …), in line with the saves and carried out at
   * most once. Creates a draft that does not exist yet.
   * @param {string} method
   * @param {string} path  below the task
   * @param {{body?: unknown, complete?: boolean}} [options]
   * `complete`: only if everything typed is acknowledged and nobody else changed the draft meanwhile
   * @returns {Promise<any>}  the answer's body
   * @throws {NoAnswer | SignedOut | Refusal | Unsaved}
   */
  async command(method, path, { body, complete = false } = {}) {
    this.#endPause();
    return this.#sender.command(method, path, body, () => {
      const { name } = this.state;
      const { flight, base } = this.#shared.record;
      if (complete ? name !== 'saved' : flight || !base.version) throw new Unsaved(this.state);
    }, !complete);
  }

  /** Sends what it can, then lets go. What could not be sent stays on this device. */
  async close() {
    this.#closing.abort();
    clearInterval(this.#polling);
    await this.#shared.sync();
    if (this.#shared.record.open) await this.flush();
    this.#sender.close();
    this.#shared.close();
  }

  async #open() {
    const { id, isNew, account, token, url, fields, poll, database } = this.#options;
    const key = `${account}/${id}`;
    const outbox = await Outbox.open(database);
    const kept = await outbox.update(key, (stored) => stored && completed(stored, fields));
    const blank = { version: 0, task: { ...NEW_DRAFT, id }, transcript: '' };
    const record = kept ?? newRecord(newId().replaceAll('-', ''), blank, fields);
    this.#shared = new SharedDraft(outbox, key, fields, (names, before) => this.#changed(names, before), record);
    this.#sender = new Sender(id, this.#shared, new Wire(url, token), this.#options, `palimpsest/${key}`);
    try {
      if (kept) await this.#resume();
      else if (!isNew) await this.#load();
    } catch (reason) {
      this.#sender.close();
      this.#shared.close();
      throw reason;
    }
    this.#watch();
    if (poll) this.#polling = setInterval(() => this.#tick(), poll * (0.9 + Math.random() * 0.2));
    this.#announce();
  }

  /** This device has the draft: it can be shown though the service may not answer. */
  async #resume() {
    await this.#shared.change((record) => ({ ...record, trouble: null }));
    await soon(this.#shared.record.base.version ? this.refresh() : this.flush());
    const { stopped, open } = this.#shared.record;
    if (stopped?.status !== 404 || open) return;
    await this.#shared.forget();
    throw new Refusal(stopped);
  }

  async #load() {
    const { fields, backoff } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        const theirs = await this.#sender.fetchTask();
        if (theirs) await this.#shared.change((record) => absorbed(record, record.base, theirs, fields));
        return;
      } catch (reason) {
        const answer = reason instanceof Unwilling ? reason.answer : null;
        const passing = answer ? isPassing(answer) : reason instanceof NoAnswer;
        if (attempt === LOAD_ATTEMPTS || !passing) throw answer?.problem ? new Refusal(answer.problem) : reason;
      }
      await new Promise((resolve) => { setTimeout(resolve, backoff * attempt); });
    }
  }

  #watch() {
    const { signal } = this.#closing;
    if (typeof document === 'undefined') return;
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.flush();
      else if (this.#isQuiet()) this.refresh();
      else this.retry();
    }, { signal });
    addEventListener('pagehide', () => {
      this.#shared.sync();
      this.#sender.leave();
    }, { signal });
    addEventListener('pageshow', (event) => { if (event.persisted) this.retry(); }, { signal });
    addEventListener('online', () => this.retry(), { signal });
  }

  /** Looks for others' changes while there are none here, and takes up what a closed tab left undone. */
  #tick() {
    if (document.visibilityState === 'hidden' || this.#pause) return;
    if (this.#isQuiet() || this.#shared.record.stopped) this.#sender.refresh();
    else this.#sender.pump();
  }

  #isQuiet() {
    const { record } = this.#shared;
    return record.base.version > 0 && !this.#pause && !record.open;
  }

  #sendAfterPause() {
    const { pause, longest } = this.#options;
    const now = Date.now();
    if (this.#pause) clearTimeout(this.#pause);
    else this.#typingSince = now;
    this.#sender.holdBack = true;
    const wait = Math.max(0, Math.min(pause, this.#typingSince + longest - now));
    this.#pause = setTimeout(() => {
      this.#endPause();
      this.#sender.pump();
    }, wait);
  }

  #endPause() {
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#sender.holdBack = false;
  }

  /**
   * @param {string[]} names  fields that others changed
   * @param {import('./record.js').DraftRecord} before
   */
  #changed(names, before) {
    if (names.length) this.dispatchEvent(new CustomEvent('values', { detail: names }));
    if (!sameJson(this.task, before.base.task)) this.dispatchEvent(new Event('task'));
    this.#announce();
  }

  #announce() {
    const { state } = this;
    if (this.#announced && sameJson(state, this.#announced)) return;
    this.#announced = state;
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}

/** A command that wants everything saved first, and it is not. */
export class Unsaved extends Error {
  /** @param {State} state */
  constructor(state) {
    super(`not everything is saved: ${state.name}`);
    this.state = state;
  }
}

/** @param {Promise<unknown>} work */
function soon(work) {
  return Promise.race([work, new Promise((resolve) => { setTimeout(resolve, OPENING_PATIENCE); })]);
}
