// @ts-check
/** The requests that save a draft, and what their answers do to its record. Pure. */

import { pending } from './draft-state.js';
import { sameJson } from './merge.js';

/** @typedef {import('./draft-state.js').DraftRecord} DraftRecord */
/** @typedef {import('./draft-state.js').InFlightRequest} InFlightRequest */
/** @typedef {import('./fields.js').Field} Field */
/** @typedef {import('./http.js').FieldError} FieldError */
/** @typedef {import('./http.js').Problem} Problem */

/**
 * The Idempotency-Key of the record's next request. It contains the version, so that an older copy of the record (of
 * a browser whose storage was full, or that was restored) never uses a key again for another version.
 * @param {DraftRecord} record
 */
export function nextKey({ writer, count, base }) {
  return `${writer}-${count}-${base.version}`;
}

/** @param {{key: string, version: number}} request */
export function headersOf({ key, version }) {
  return { 'Idempotency-Key': key, ...(version ? { 'If-Match': `"${version}"` } : {}) };
}

/**
 * The next request, or null where all is acknowledged. One resource at a time: the task, then its transcript.
 * @param {string} id
 * @param {DraftRecord} record
 * @param {Record<string, any>} local
 * @param {Record<string, Field>} fields
 * @param {boolean} [create]  even where nothing was typed
 * @returns {InFlightRequest | null}
 */
export function nextRequest(id, record, local, fields, create = false) {
  const { changes } = pending(record, local, fields);
  const [losing] = record.losingValues;
  if (record.base.version === 0) {
    const { transcript, ...body } = changes;
    if (!Object.keys(changes).length && !create) return null;
    return requestOf(record, 'POST', '/drafts', { id, ...asSent(body, fields) });
  }
  if (losing) return { ...changeRequest(id, record, { [losing.field]: losing.value }, fields), isLosingValue: true };
  return Object.keys(changes).length ? changeRequest(id, record, changes, fields) : null;
}

/**
 * The service has acknowledged a request.
 * @param {DraftRecord} record
 * @param {InFlightRequest} request
 * @param {{version: number, task: Record<string, any>, now: number}} answer
 * @returns {DraftRecord}
 */
export function acknowledge(record, request, { version, task, now }) {
  if (record.inFlight?.key !== request.key) return record;
  const transcript = request.path.endsWith('/transcript') ? request.body?.text ?? '' : record.base.transcript;
  const rejected = { ...record.rejected };
  for (const name of fieldsOf(request)) delete rejected[name];
  const base = { version, task, transcript };
  return { ...withoutInFlight(record, request), base, rejected, failure: null, savedAt: now };
}

/**
 * The service refuses what was sent: the fields that it names are held back until they change, all where it names none.
 * @param {DraftRecord} record
 * @param {InFlightRequest} request
 * @param {Problem} problem
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function refuse(record, request, problem, fields) {
  if (record.inFlight?.key !== request.key) return record;
  if (request.isLosingValue) return withoutInFlight(record, request);
  const sent = fieldsOf(request);
  const named = problem.errors ?? [];
  const refused = sent.filter((name) => named.some((error) => fieldNamed(error, request) === name));
  const rejected = { ...record.rejected };
  for (const name of refused.length ? refused : sent) {
    const errors = named.filter((error) => fieldNamed(error, request) === name)
      .map((error) => ({ ...error, pointer: `/${name}` }));
    rejected[name] = {
      value: sentValue(request, name, fields),
      errors: errors.length ? errors : [{ pointer: `/${name}`, code: 'refused', message: problem.detail ?? problem.title }],
    };
  }
  return { ...record, rejected, inFlight: null, failure: null };
}

/**
 * @param {DraftRecord} record
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @returns {InFlightRequest}
 */
function requestOf(record, method, path, body) {
  return { key: nextKey(record), method, path, body, version: record.base.version };
}

/**
 * @param {string} id
 * @param {DraftRecord} record
 * @param {Record<string, any>} changes  at least one
 * @param {Record<string, Field>} fields
 */
function changeRequest(id, record, { transcript, ...changes }, fields) {
  if (Object.keys(changes).length) return requestOf(record, 'PATCH', `/${id}`, asSent(changes, fields));
  const path = `/${id}/transcript`;
  return transcript === '' ? requestOf(record, 'DELETE', path) : requestOf(record, 'PUT', path, { text: transcript });
}

/**
 * @param {Record<string, any>} changes
 * @param {Record<string, Field>} fields
 */
function asSent(changes, fields) {
  return Object.fromEntries(Object.entries(changes).map(([name, value]) => {
    const { blank } = fields[name];
    return [name, blank !== undefined && sameJson(value, blank) ? null : value];
  }));
}

/**
 * @param {DraftRecord} record
 * @param {InFlightRequest} request
 * @returns {DraftRecord}
 */
function withoutInFlight(record, request) {
  const { losingValues } = record;
  return { ...record, inFlight: null, losingValues: request.isLosingValue ? losingValues.slice(1) : losingValues };
}

/** @param {InFlightRequest} request */
function fieldsOf(request) {
  if (request.path.endsWith('/transcript')) return ['transcript'];
  return Object.keys(request.body ?? {}).filter((name) => name !== 'id');
}

/**
 * @param {FieldError} error
 * @param {InFlightRequest} request
 */
function fieldNamed(error, request) {
  return request.path.endsWith('/transcript') ? 'transcript' : error.pointer.split('/')[1];
}

/**
 * @param {InFlightRequest} request
 * @param {string} name
 * @param {Record<string, Field>} fields
 */
function sentValue(request, name, fields) {
  if (name === 'transcript') return request.body?.text ?? '';
  const value = request.body[name];
  return value === null && fields[name].blank !== undefined ? fields[name].blank : value;
}
