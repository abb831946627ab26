// @ts-check
/**
 * Saves one draft while a person types, and reports the state of saving: the public module of this folder.
 * How to use it, what it guarantees and what not: docs/autosave-client.md.
 */

import { bind } from './bind.js';
import { describe, newRecord, withMissingFields } from './draft-state.js';
import { TASK_FIELDS } from './fields.js';
import { HttpClient, NoAnswer, Refusal } from './http.js';
import { sameJson } from './merge.js';
import { Outbox } from './outbox.js';
import { mergeRemote, resolveConflict } from './remote.js';
import { Sender, UnexpectedAnswer, isTemporary } from './sender.js';
import { SharedDraft } from './shared.js';
import { TASK_RULES } from './task-rules.js';

export { Invalid, TASK_FIELDS } from './fields.js';
export { NoAnswer, Refusal, SignedOut } from './http.js';

/** @typedef {import('./draft-state.js').State} State */
/** @typedef {import('./fields.js').Field} Field */

/**
 * @typedef {object} Options
 * @property {string} id                      the draft's uuid; for a new one `newId()`
 * @property {boolean} [isNew]                a new draft: the first edit creates it
 * @property {string} account                 the user's uuid: drafts of several users of a device are kept apart
 * @property {import('./http.js').TokenSource} token
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
/** Milliseconds that opening waits for the service before it shows what this device keeps. */
const OPEN_TIMEOUT = 2_000;
const LOAD_ATTEMPTS = 4;

/** A new uuid; unlike `crypto.randomUUID` also on pages that are not served securely. */
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
  #lastState = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;
  #typingSince = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pollTimer;
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
   * @throws {NoAnswer | SignedOut | Refusal}  if this device keeps nothing of the draft
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
   * Takes what the person typed. Stored on this device within milliseconds, sent after a pause.
   * @param {string} field
   * @param {any} value
   */
  set(field, value) {
    if (!(field in this.#options.fields)) throw new TypeError(`no such field: ${field}`);
    if (sameJson(this.#shared.values[field], value)) return;
    this.#shared.values[field] = value;
    this.#shared.sync();
    this.#sendAfterPause();
    this.#announceState();
  }

  /**
   * Connects a field with an input, textarea or select. Others' changes are put in around the cursor, and not while an
   * input method composes.
   * @param {string} field
   * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
   */
  bind(field, element) {
    const { text } = this.#options.fields[field];
    bind(this, field, element, Boolean(text), this.#closing.signal);
  }

  /**
   * Decides a conflict: for theirs, mine, or a text made of both. The value that loses is in the history.
   * @param {string} field
   * @param {any} chosen
   * @returns {Promise<State>}
   */
  async resolve(field, chosen) {
    const { values } = this.#shared;
    const mine = values[field];
    values[field] = chosen;
    await this.#shared.change((record) => resolveConflict(record, field, mine, chosen, this.#options.fields));
    this.dispatchEvent(new CustomEvent('values', { detail: [field] }));
    return this.flush();
  }

  /**
   * Sends what waits, without a pause.
   * @returns {Promise<State>}  when nothing more can be sent now; `saved` on success
   */
  async flush() {
    this.#endPause();
    await this.#sender.flush();
    return this.state;
  }

  /**
   * Retries now, after a new sign-in or because the person asks. The service's `Retry-After` still counts.
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
   * Another changing request on the draft (`/publish`, `/attachments`, …), after the saves that wait, and carried out at
   * most once. Creates a draft that does not exist yet.
   * @param {string} method
   * @param {string} path  below the task
   * @param {{body?: unknown, complete?: boolean}} [options]
   * `complete`: only if everything typed is acknowledged and others have not changed the draft meanwhile
   * @returns {Promise<any>}  the answer's body
   * @throws {NoAnswer | SignedOut | Refusal | Unsaved}
   */
  async command(method, path, { body, complete = false } = {}) {
    this.#endPause();
    return this.#sender.command(method, path, body, () => {
      const { name } = this.state;
      const { inFlight, base } = this.#shared.record;
      if (complete ? name !== 'saved' : inFlight || !base.version) throw new Unsaved(this.state);
    }, !complete);
  }

  /** Sends what it can, then releases everything. What could not be sent stays on this device. */
  async close() {
    this.#closing.abort();
    clearInterval(this.#pollTimer);
    await this.#shared.sync();
    if (this.#shared.record.open) await this.flush();
    this.#sender.close();
    this.#shared.close();
  }

  async #open() {
    const { id, isNew, account, token, url, fields, poll, database } = this.#options;
    const key = `${account}/${id}`;
    const outbox = await Outbox.open(database);
    const kept = await outbox.update(key, (stored) => stored && withMissingFields(stored, fields));
    const blank = { version: 0, task: { ...TASK_RULES.newDraft, id }, transcript: '' };
    const record = kept ?? newRecord(newId().replaceAll('-', ''), blank, fields);
    this.#shared = new SharedDraft(outbox, key, fields, (names, before) => this.#changed(names, before), record);
    this.#sender = new Sender(id, this.#shared, new HttpClient(url, token), this.#options, `palimpsest/${key}`);
    try {
      if (kept) await this.#resume();
      else if (!isNew) await this.#load();
    } catch (reason) {
      this.#sender.close();
      this.#shared.close();
      throw reason;
    }
    this.#watch();
    if (poll) this.#pollTimer = setInterval(() => this.#poll(), poll * (0.9 + Math.random() * 0.2));
    this.#announceState();
  }

  /** This device keeps the draft: it can be shown though the service may not answer. */
  async #resume() {
    await this.#shared.change((record) => ({ ...record, failure: null }));
    await withinOpenTimeout(this.#shared.record.base.version ? this.refresh() : this.flush());
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
        if (theirs) await this.#shared.change((record) => mergeRemote(record, record.base, theirs, fields));
        return;
      } catch (reason) {
        const answer = reason instanceof UnexpectedAnswer ? reason.answer : null;
        const temporary = answer ? isTemporary(answer) : reason instanceof NoAnswer;
        if (attempt === LOAD_ATTEMPTS || !temporary) throw answer?.problem ? new Refusal(answer.problem) : reason;
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
      this.#sender.sendOnClose();
    }, { signal });
    addEventListener('pageshow', (event) => { if (event.persisted) this.retry(); }, { signal });
    addEventListener('online', () => this.retry(), { signal });
  }

  /** Fetches others' changes if there are none here, and continues what a closed tab has not finished. */
  #poll() {
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
   * @param {import('./draft-state.js').DraftRecord} before
   */
  #changed(names, before) {
    if (names.length) this.dispatchEvent(new CustomEvent('values', { detail: names }));
    if (!sameJson(this.task, before.base.task)) this.dispatchEvent(new Event('task'));
    this.#announceState();
  }

  #announceState() {
    const { state } = this;
    if (this.#lastState && sameJson(state, this.#lastState)) return;
    this.#lastState = state;
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }
}

/** A command that needs everything saved first, and something is not. */
export class Unsaved extends Error {
  /** @param {State} state */
  constructor(state) {
    super(`not everything is saved: ${state.name}`);
    this.state = state;
  }
}

/** @param {Promise<unknown>} work */
function withinOpenTimeout(work) {
  return Promise.race([work, new Promise((resolve) => { setTimeout(resolve, OPEN_TIMEOUT); })]);
}
