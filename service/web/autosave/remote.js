// @ts-check
/** Merges into a record what was changed elsewhere: by others, by other tabs, by lost requests of this device. Pure. */

import { decode, encode, valueOf } from './fields.js';
import { applyEdit, mergeText, sameJson } from './merge.js';

/** @typedef {import('./draft-state.js').Acknowledged} Acknowledged */
/** @typedef {import('./draft-state.js').DraftRecord} DraftRecord */
/** @typedef {import('./fields.js').Field} Field */

/**
 * A version that others made: what only one side changed is taken, the same text is merged word by word,
 * the rest becomes a conflict and is neither sent nor replaced.
 * @param {DraftRecord} record
 * @param {Acknowledged} ancestor  what both sides started from
 * @param {Acknowledged} theirs
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function mergeRemote(record, ancestor, theirs, fields) {
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
  return { ...record, base: theirs, local, conflicts, stopped, failure: null };
}

/**
 * Removes the conflicts in which the person has typed the other version meanwhile.
 * @param {DraftRecord} record
 * @param {Record<string, Field>} fields
 * @returns {DraftRecord}
 */
export function dropSettledConflicts(record, fields) {
  const all = Object.entries(record.conflicts);
  const open = all.filter(([name, { theirs }]) => {
    const { value, error } = encode(name, fields[name] ?? {}, record.local[name]);
    return error || !sameJson(value, theirs);
  });
  return open.length === all.length ? record : { ...record, conflicts: Object.fromEntries(open) };
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
export function resolveConflict(record, name, mine, chosen, fields) {
  const { [name]: decided, ...conflicts } = record.conflicts;
  if (!decided) return record;
  const { value, error } = encode(name, fields[name], mine);
  const kept = mine === chosen || (fields[name].text && String(chosen).includes(mine));
  const losingValues = error || kept ? record.losingValues : [...record.losingValues, { field: name, value }];
  return { ...record, conflicts, losingValues };
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
 * Merges the edits of two tabs of one browser: without a conflict, the words of both are kept.
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
