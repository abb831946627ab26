// @ts-check
/**
 * What this device knows about one draft, and what that says about saving. Pure: each function returns a new record.
 * `base` is what the service acknowledged, `local` what the person sees; whatever differs still has to be sent.
 */

import { decode, decoded, encode, valueOf } from './fields.js';
import { sameJson } from './merge.js';

/** @typedef {import('./fields.js').Field} Field */
/** @typedef {import('./http.js').FieldError} FieldError */
/** @typedef {import('./http.js').Problem} Problem */

/** @typedef {{version: number, task: Record<string, any>, transcript: string}} Acknowledged */
/** @typedef {{field: string, value: any}} LosingValue  what a decided conflict did not choose */

/**
 * @typedef {object} InFlightRequest  a request without an answer yet
 * @property {string} key
 * @property {string} method
 * @property {string} path
 * @property {any} [body]
 * @property {number} version  of the task that it changes, 0 for a new draft
 * @property {boolean} [isLosingValue]
 */

/**
 * @typedef {object} Failure  why the last attempt failed
 * @property {'offline' | 'error'} kind
 * @property {number} status      0 without an answer
 * @property {string} detail
 * @property {number} attempts
 * @property {number} since       when that was, in milliseconds since 1970
 * @property {number} retryAt     milliseconds since 1970; Infinity where only the person can help
 * @property {number} notBefore   until when the service asks not to be called; a person's retry does not shorten it
 */

/**
 * @typedef {object} DraftRecord
 * @property {number} revision    grows with every change of the record
 * @property {string} writer      begins every Idempotency-Key of this device, so that its own writes are recognised
 * @property {number} count       of keys used
 * @property {boolean} open       whether anything in it is not acknowledged
 * @property {Acknowledged} base
 * @property {Record<string, any>} local
 * @property {Record<string, {ancestor: any, theirs: any, version: number}>} conflicts
 * @property {Record<string, {value: any, errors: FieldError[]}>} rejected
 * @property {LosingValue[]} losingValues  sent before everything else, so that the history has them
 * @property {InFlightRequest | null} inFlight
 * @property {Failure | null} failure
 * @property {Problem | null} stopped  why this draft takes no more changes
 * @property {number | null} savedAt  milliseconds since 1970
 */

/**
 * @typedef {object} State
 * @property {'saved' | 'saving' | 'offline' | 'conflict' | 'rejected' | 'error'} name
 * @property {number} version              last acknowledged, 0 where the service has no draft yet
 * @property {number | null} savedAt       when it was acknowledged, in milliseconds since 1970
 * @property {string[]} unsent             fields whose value is not acknowledged and will be sent
 * @property {boolean} kept                whether unsent edits survive a crash of this tab
 * @property {{field: string, mine: any, theirs: any, base: any, version: number}[]} conflicts
 * @property {FieldError[]} errors         values that are held back, and why
 * @property {Problem | null} problem      why the whole draft takes no more changes
 * @property {Failure | null} trouble      what stands in the way of the next attempt
 */

/**
 * @param {string} writer
 * @param {Acknowledged} base
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function newRecord(writer, base, fields) {
  return {
    revision: 1, writer, count: 0, open: false, base, local: decoded(base, fields), conflicts: {}, rejected: {},
    losingValues: [], inFlight: null, failure: null, stopped: null, savedAt: null,
  };
}

/**
 * Completes a record that a page with fewer fields, or an earlier version of this module, has stored.
 * @param {DraftRecord} record
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord | undefined}  undefined where nothing is missing
 */
export function withMissingFields(record, fields) {
  const blank = newRecord(record.writer, record.base, fields);
  const complete = { ...blank, ...record, local: { ...blank.local, ...record.local } };
  return sameJson(complete, record) ? undefined : complete;
}

/**
 * Whether the next attempt has to wait. A clock that was set back since the failure does not delay it.
 * @param {Failure} failure
 * @param {number} until  `failure.retryAt`, or `failure.notBefore`
 */
export function isWaiting(failure, until) {
  const now = Date.now();
  return until > now && failure.since <= now;
}

/**
 * What of `local` has to be sent and what cannot be.
 * @param {DraftRecord} record
 * @param {Record<string, any>} local
 * @param {Record<string, Field>} fields
 * @returns {{changes: Record<string, any>, errors: FieldError[], conflicts: string[]}}
 */
export function pending(record, local, fields) {
  /** @type {Record<string, any>} */
  const changes = {};
  const errors = [];
  const conflicts = [];
  for (const [name, field] of Object.entries(fields)) {
    const { value, error } = encode(name, field, local[name]);
    const conflict = record.conflicts[name];
    const rejected = record.rejected[name];
    if (conflict && (error || !sameJson(value, conflict.theirs))) conflicts.push(name);
    else if (error) errors.push(error);
    else if (sameJson(value, valueOf(record.base, name))) continue;
    else if (rejected && sameJson(value, rejected.value)) errors.push(...rejected.errors);
    else changes[name] = value;
  }
  return { changes, errors, conflicts };
}

/**
 * Whether anything was typed that the service has not acknowledged.
 * @param {DraftRecord} record
 * @param {Record<string, Field>} fields
 */
export function isOpen(record, fields) {
  const { changes, errors, conflicts } = pending(record, record.local, fields);
  const count = Object.keys(changes).length + errors.length + conflicts.length + record.losingValues.length;
  return record.inFlight !== null || count > 0;
}

/**
 * The state of saving, for the page to show.
 * @param {DraftRecord} record
 * @param {Record<string, any>} local
 * @param {Record<string, Field>} fields
 * @param {boolean} kept
 * @returns {State}
 */
export function describe(record, local, fields, kept) {
  const { changes, errors, conflicts } = pending(record, local, fields);
  const unsent = Object.keys(changes);
  const open = unsent.length > 0 || record.losingValues.length > 0 || record.inFlight !== null;
  const trouble = open ? record.failure : null;
  const problem = open || errors.length ? record.stopped : null;
  /** @type {State['name']} */
  let name = 'saved';
  if (conflicts.length) name = 'conflict';
  else if (trouble && !problem) name = trouble.kind;
  else if (problem || errors.length) name = 'rejected';
  else if (open) name = 'saving';
  return {
    name, version: record.base.version, savedAt: record.savedAt, unsent, kept, errors, problem, trouble,
    conflicts: conflicts.map((field) => ({
      field,
      mine: local[field],
      theirs: decode(fields[field], record.conflicts[field].theirs),
      base: decode(fields[field], record.conflicts[field].ancestor),
      version: record.conflicts[field].version,
    })),
  };
}
