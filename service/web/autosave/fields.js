// @ts-check
/**
 * The fields of a draft: how each is merged, and how a value of the service becomes what a form shows and back.
 * Pure functions.
 */

import { TASK_RULES } from './task-rules.js';

/** @typedef {import('./draft-state.js').Acknowledged} Acknowledged */
/** @typedef {import('./http.js').FieldError} FieldError */

/**
 * @typedef {object} Field
 * @property {boolean} [text]                 a string that is merged word by word
 * @property {unknown} [blank]                the value that stands for "not chosen", sent as null
 * @property {(value: any) => any} [decode]   what the person sees of the service's value
 * @property {(local: any) => any} [encode]   back again; throws `Invalid` to hold a value back that cannot be sent
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

/** The fields that are saved, in the service's order, as plain values. @type {Record<string, Field>} */
export const TASK_FIELDS = Object.freeze({
  ...Object.fromEntries(TASK_RULES.fields.map((name) => [name, {}])),
  title: { text: true }, description: { text: true }, budget_usd: { blank: 0 }, transcript: { text: true },
});

/**
 * @param {Acknowledged} state
 * @param {string} name
 */
export function valueOf(state, name) {
  return name === 'transcript' ? state.transcript : state.task[name];
}

/** @param {Field} field @param {any} value */
export function decode(field, value) {
  return field.decode ? field.decode(value) : value;
}

/**
 * What the person sees of an acknowledged version, by field.
 * @param {Acknowledged} base
 * @param {Record<string, Field>} fields
 */
export function decoded(base, fields) {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, decode(fields[name], valueOf(base, name))]));
}

/**
 * @param {string} name
 * @param {Field} field
 * @param {any} local
 * @returns {{value?: any, error?: FieldError}}
 */
export function encode(name, field, local) {
  try {
    const value = field.encode ? field.encode(local) : local;
    return { value: typeof value === 'string' ? wellFormed(value) : value };
  } catch (reason) {
    if (!(reason instanceof Invalid)) throw reason;
    return { error: { pointer: `/${name}`, code: reason.code, message: reason.message, ...reason.facts } };
  }
}

/**
 * Replaces unpaired surrogates (half an emoji), which the service refuses.
 * @param {string} text
 */
function wellFormed(text) {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}
