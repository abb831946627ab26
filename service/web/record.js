// @ts-check
/**
 * What is known about one draft on this device, and how it changes. Pure: each function returns a new record.
 * `base` is what the service acknowledged, `local` what the person sees; whatever differs still has to be sent.
 */

import { applyEdit, mergeText, sameJson } from './merge.js';

/** @typedef {import('./wire.js').Problem} Problem */

/**
 * @typedef {object} Field
 * @property {boolean} [text]                 a string that is merged word by word
 * @property {unknown} [blank]                the value that stands for "not chosen", sent as null
 * @property {(wire: any) => any} [decode]    what the person sees of the service's value
 * @property {(local: any) => any} [encode]   back again; throws `Invalid` to hold a value back that cannot be sent
 */

/** @typedef {{version: number, task: Record<string, any>, transcript: string}} Acknowledged */
/** @typedef {{field: string, value: any}} Parked */
/**
 * @typedef {object} Flight  An unanswered request.
 * @property {string} key
 * @property {string} method
 * @property {string} path
 * @property {any} [body]
 * @property {number} version
 * @property {boolean} [parked]
 */
/** @typedef {{pointer: string, code: string, message: string, limit?: number, actual?: number}} FieldError */

/**
 * @typedef {object} Trouble  Why the last attempt got nowhere.
 * @property {'offline' | 'error'} kind
 * @property {number} status      0 where nobody answered
 * @property {string} detail
 * @property {number} attempts
 * @property {number} since       when that was, in milliseconds since 1970
 * @property {number} retryAt     milliseconds since 1970; Infinity where only the person can help
 * @property {number} notBefore   the service's own wish, which no impatience shortens
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
 * @property {Parked[]} parked   the losing values of decided conflicts, sent first so that the history has them
 * @property {Flight | null} flight
 * @property {Trouble | null} trouble
 * @property {Problem | null} stopped  why this draft takes no more changes
 * @property {number | null} savedAt   milliseconds since 1970
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
 * @property {Trouble | null} trouble      what stands in the way of the next attempt
 */

/** A value that cannot be sent as it is. */
export class Invalid extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{limit?: number, actual?: number}} [facts]
   */
  constructor(code, message, facts = {}) {
    super(message);
    this.code = code;
    this.facts = facts;
  }
}

/** A new draft's values, contract section 3. */
export const NEW_DRAFT = Object.freeze({
  title: '', description: '', category: '', task_type: '', requirements: Object.freeze({}), budget_usd: 0,
  compute_budget: null, status: 'draft', experimentation: 0.3, attachments: Object.freeze([]), brand_kit_id: null,
});

/** The fields that are saved, in the contract's order, as plain values. @type {Record<string, Field>} */
export const TASK_FIELDS = Object.freeze({
  title: { text: true }, description: { text: true }, category: {}, task_type: {}, requirements: {},
  budget_usd: { blank: 0 }, experimentation: {}, brand_kit_id: {}, transcript: { text: true },
});

/**
 * @param {string} writer
 * @param {Acknowledged} base
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function newRecord(writer, base, fields) {
  return {
    revision: 1, writer, count: 0, open: false, base, local: decoded(base, fields), conflicts: {}, rejected: {},
    parked: [], flight: null, trouble: null, stopped: null, savedAt: null,
  };
}

/**
 * A kept record for a form that has fields which the one that wrote it had not.
 * @param {DraftRecord} record
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord | undefined}  undefined where nothing is missing
 */
export function completed(record, fields) {
  const missing = Object.keys(fields).filter((name) => !(name in record.local));
  return missing.length ? { ...record, local: { ...decoded(record.base, fields), ...record.local } } : undefined;
}

/**
 * Whether the next attempt has to wait. A clock that was put back since then proves nothing about waiting.
 * @param {Trouble} trouble
 * @param {number} until  `trouble.retryAt`, or `trouble.notBefore`
 */
export function isWaiting(trouble, until) {
  const now = Date.now();
  return until > now && trouble.since <= now;
}

/**
 * The key of the record's next request. With the version in it, an older copy of the record, as a browser has it that
 * could not write the newer ones, takes no key again for another version.
 * @param {DraftRecord} record
 */
export function nextKey({ writer, count, base }) {
  return `${writer}-${count}-${base.version}`;
}

/**
 * @param {Acknowledged} base
 * @param {Record<string, Field>} fields
 */
export function decoded(base, fields) {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, decode(fields[name], valueOf(base, name))]));
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
  const count = Object.keys(changes).length + errors.length + conflicts.length + record.parked.length;
  return record.flight !== null || count > 0;
}

/**
 * The next request, or null where all is acknowledged. One resource at a time: the task, then its transcript.
 * @param {string} id
 * @param {DraftRecord} record
 * @param {Record<string, any>} local
 * @param {Record<string, Field>} fields
 * @param {boolean} [create]  even where nothing was typed
 * @returns {Flight | null}
 */
export function nextFlight(id, record, local, fields, create = false) {
  const { changes } = pending(record, local, fields);
  const [parked] = record.parked;
  if (record.base.version === 0) {
    const { transcript, ...body } = changes;
    if (!Object.keys(changes).length && !create) return null;
    return flightOf(record, 'POST', '/drafts', { id, ...asSent(body, fields) });
  }
  if (parked) return { ...changeFlight(id, record, { [parked.field]: parked.value }, fields), parked: true };
  return Object.keys(changes).length ? changeFlight(id, record, changes, fields) : null;
}

/**
 * The person's decision about a conflict. The value that lost goes into the history first.
 * @param {DraftRecord} record
 * @param {string} name
 * @param {any} mine    the value in question
 * @param {any} chosen
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function resolved(record, name, mine, chosen, fields) {
  const { [name]: decided, ...conflicts } = record.conflicts;
  if (!decided) return record;
  const { value, error } = encode(name, fields[name], mine);
  const kept = mine === chosen || (fields[name].text && String(chosen).includes(mine));
  const parked = error || kept ? record.parked : [...record.parked, { field: name, value }];
  return { ...record, conflicts, parked };
}

/**
 * @param {DraftRecord} record
 * @param {Flight} flight
 * @param {{version: number, task: Record<string, any>, now: number}} answer
 * @returns {DraftRecord}
 */
export function acknowledged(record, flight, { version, task, now }) {
  if (record.flight?.key !== flight.key) return record;
  const transcript = flight.path.endsWith('/transcript') ? flight.body?.text ?? '' : record.base.transcript;
  const rejected = { ...record.rejected };
  for (const name of namesIn(flight)) delete rejected[name];
  const base = { version, task, transcript };
  return { ...landed(record, flight), base, rejected, trouble: null, savedAt: now };
}

/**
 * The service refuses what was sent: the fields that it names are held back until they change, all where it names none.
 * @param {DraftRecord} record
 * @param {Flight} flight
 * @param {Problem} problem
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function refused(record, flight, problem, fields) {
  if (record.flight?.key !== flight.key) return record;
  if (flight.parked) return landed(record, flight);
  const sent = namesIn(flight);
  const named = problem.errors ?? [];
  const guilty = sent.filter((name) => named.some((error) => fieldOf(error, flight) === name));
  const rejected = { ...record.rejected };
  for (const name of guilty.length ? guilty : sent) {
    const errors = named.filter((error) => fieldOf(error, flight) === name)
      .map((error) => ({ ...error, pointer: `/${name}` }));
    rejected[name] = {
      value: sentValue(flight, name, fields),
      errors: errors.length ? errors : [{ pointer: `/${name}`, code: 'refused', message: problem.detail ?? problem.title }],
    };
  }
  return { ...record, rejected, flight: null, trouble: null };
}

/**
 * A version that somebody else made: what only one side changed is taken, the same text is merged word by word,
 * the rest becomes a conflict and is neither sent nor replaced.
 * @param {DraftRecord} record
 * @param {Acknowledged} ancestor  what both sides started from
 * @param {Acknowledged} theirs
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function absorbed(record, ancestor, theirs, fields) {
  const local = { ...record.local };
  /** @type {DraftRecord['conflicts']} */
  const conflicts = {};
  for (const [name, field] of Object.entries(fields)) {
    const old = record.conflicts[name] ? record.conflicts[name].ancestor : valueOf(ancestor, name);
    const value = valueOf(theirs, name);
    const merged = mergeField(name, field, old, local[name], value);
    if (merged) local[name] = merged.local;
    else conflicts[name] = { ancestor: old, theirs: value, version: theirs.version };
  }
  const stopped = theirs.task.status === 'draft' ? null : record.stopped;
  return { ...record, base: theirs, local, conflicts, stopped, trouble: null };
}

/**
 * A person who typed the other version needs no asking any more.
 * @param {DraftRecord} record
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function settled(record, fields) {
  const asked = Object.entries(record.conflicts);
  const open = asked.filter(([name, { theirs }]) => {
    const { value, error } = encode(name, fields[name] ?? {}, record.local[name]);
    return error || !sameJson(value, theirs);
  });
  return open.length === asked.length ? record : { ...record, conflicts: Object.fromEntries(open) };
}

/**
 * The acknowledged state with this device's own events on top, whose answers were lost on the way.
 * @param {DraftRecord} record
 * @param {{version: number, type: string, request_id: string, data: any}[]} events  those after the base, in order
 * @returns {Acknowledged}
 */
export function withOwnWrites(record, events) {
  const base = { ...record.base, task: { ...record.base.task } };
  for (const event of events) {
    if (event.version !== base.version + 1 || !event.request_id.startsWith(`${record.writer}-`)) break;
    base.version = event.version;
    const { field, edit, value } = event.data;
    if (event.type === 'TranscriptChanged') base.transcript = applyEdit(base.transcript, edit);
    else if (event.type === 'DraftFieldChanged') {
      base.task[field] = edit ? applyEdit(base.task[field] ?? '', edit) : value;
    }
  }
  return base;
}

/**
 * Two tabs of one browser: no question is asked, the words of both are kept.
 * @param {Field} field
 * @param {any} seen    what this tab last knew
 * @param {any} mine    what it shows now
 * @param {any} shared  what all tabs share now
 */
export function mergeTabs(field, seen, mine, shared) {
  if (sameJson(mine, seen)) return shared;
  if (sameJson(shared, seen) || sameJson(mine, shared)) return mine;
  return field.text ? mergeText(seen, mine, shared, { keepBoth: true }) : mine;
}

/**
 * The one truth that a page shows.
 * @param {DraftRecord} record
 * @param {Record<string, any>} local
 * @param {Record<string, Field>} fields
 * @param {boolean} kept
 * @returns {State}
 */
export function describe(record, local, fields, kept) {
  const { changes, errors, conflicts } = pending(record, local, fields);
  const unsent = Object.keys(changes);
  const open = unsent.length > 0 || record.parked.length > 0 || record.flight !== null;
  const trouble = open ? record.trouble : null;
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

/**
 * @param {Acknowledged} state
 * @param {string} name
 */
function valueOf(state, name) {
  return name === 'transcript' ? state.transcript : state.task[name];
}

/** @param {Field} field @param {any} wire */
function decode(field, wire) {
  return field.decode ? field.decode(wire) : wire;
}

/**
 * @param {string} name
 * @param {Field} field
 * @param {any} local
 * @returns {{value?: any, error?: FieldError}}
 */
function encode(name, field, local) {
  try {
    const value = field.encode ? field.encode(local) : local;
    return { value: typeof value === 'string' ? wellFormed(value) : value };
  } catch (reason) {
    if (!(reason instanceof Invalid)) throw reason;
    return { error: { pointer: `/${name}`, code: reason.code, message: reason.message, ...reason.facts } };
  }
}

/**
 * Half an emoji is no Unicode text, and the service refuses it.
 * @param {string} text
 */
function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

/**
 * @param {string} name
 * @param {Field} field
 * @param {any} old
 * @param {any} local
 * @param {any} theirs
 * @returns {{local: any} | null}
 */
function mergeField(name, field, old, local, theirs) {
  if (sameJson(old, theirs)) return { local };
  const { value, error } = encode(name, field, local);
  if (!error && sameJson(value, theirs)) return { local };
  if (!error && sameJson(value, old)) return { local: decode(field, theirs) };
  const merged = field.text ? mergeText(old, local, theirs) : null;
  return merged === null ? null : { local: merged };
}

/**
 * @param {DraftRecord} record
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @returns {Flight}
 */
function flightOf(record, method, path, body) {
  return { key: nextKey(record), method, path, body, version: record.base.version };
}

/**
 * @param {string} id
 * @param {DraftRecord} record
 * @param {Record<string, any>} changes  at least one
 * @param {Record<string, Field>} fields
 */
function changeFlight(id, record, { transcript, ...changes }, fields) {
  if (Object.keys(changes).length) return flightOf(record, 'PATCH', `/${id}`, asSent(changes, fields));
  const path = `/${id}/transcript`;
  return transcript === '' ? flightOf(record, 'DELETE', path) : flightOf(record, 'PUT', path, { text: transcript });
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
 * @param {Flight} flight
 * @returns {DraftRecord}
 */
function landed(record, flight) {
  return { ...record, flight: null, parked: flight.parked ? record.parked.slice(1) : record.parked };
}

/** @param {Flight} flight */
function namesIn(flight) {
  if (flight.path.endsWith('/transcript')) return ['transcript'];
  return Object.keys(flight.body ?? {}).filter((name) => name !== 'id');
}

/**
 * @param {FieldError} error
 * @param {Flight} flight
 */
function fieldOf(error, flight) {
  return flight.path.endsWith('/transcript') ? 'transcript' : error.pointer.split('/')[1];
}

/**
 * @param {Flight} flight
 * @param {string} name
 * @param {Record<string, Field>} fields
 */
function sentValue(flight, name, fields) {
  if (name === 'transcript') return flight.body?.text ?? '';
  const value = flight.body[name];
  return value === null && fields[name].blank !== undefined ? fields[name].blank : value;
}
