// @ts-check
/**
 * The task's fields as the form shows them: strings here, the values of docs/api.md (The task) in the service.
 * A value that the service would refuse is held back here, with a message for the person.
 */

import { Invalid } from '../autosave/autosave.js';
import { countCharacters } from '../autosave/merge.js';
import { TASK_RULES } from '../autosave/task-rules.js';
import { count } from '../common/format.js';

/** @typedef {import('../autosave/fields.js').Field} Field */

const { lengths, requirements, ranges } = TASK_RULES;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** @type {Record<string, Field>} */
export const FORM_FIELDS = Object.freeze({
  title: limited(lengths.title, { text: true }),
  description: limited(lengths.description, { text: true }),
  category: limited(lengths.category),
  task_type: limited(lengths.task_type),
  requirements: { decode: showObject, encode: remembering(readObject) },
  budget_usd: { blank: 0, decode: (value) => (value === 0 ? '' : String(value)), encode: readBudget },
  experimentation: { decode: String, encode: Number },
  brand_kit_id: { decode: (value) => value ?? '', encode: readBrandKit },
  transcript: limited(lengths.transcript, { text: true }),
});

/**
 * @param {number} limit
 * @param {Field} [field]
 * @returns {Field}
 */
function limited(limit, field = {}) {
  return {
    ...field,
    encode(text) {
      const actual = countCharacters(text);
      if (actual > limit) throw new Invalid('too_long', `${count(actual - limit)} characters too many.`, { limit, actual });
      if (text.includes('\0')) throw new Invalid('nul', 'It contains a character that cannot be stored (U+0000).');
      return text;
    },
  };
}

/**
 * Remembers the result for the last text: every keystroke in any field reads all fields.
 * @param {(text: string) => unknown} read
 */
function remembering(read) {
  /** @type {string | undefined} */
  let known;
  /** @type {unknown} */
  let value;
  return (/** @type {string} */ text) => {
    if (text !== known) {
      value = read(text);
      known = text;
    }
    return value;
  };
}

/** @param {Record<string, unknown>} value */
function showObject(value) {
  return Object.keys(value).length ? JSON.stringify(value, null, 2) : '';
}

/** @param {string} text */
function readObject(text) {
  if (!text.trim()) return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (reason) {
    throw new Invalid('json', `Not JSON yet${placeOf(text, String(reason))}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Invalid('type', 'An object is needed: start with { and end with }.');
  }
  const actual = new TextEncoder().encode(JSON.stringify(value)).length;
  const limit = requirements.bytes;
  if (actual > limit) throw new Invalid('too_long', `${count(actual - limit)} bytes too many.`, { limit, actual });
  checkValue(value, 1);
  return value;
}

/**
 * @param {unknown} value
 * @param {number} level
 */
function checkValue(value, level) {
  if (typeof value === 'number' && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))) {
    throw new Invalid('number', 'One of its numbers is too large to be kept exactly; write it as text, in quotes.');
  }
  if (typeof value !== 'object' || value === null) return;
  if (level > requirements.levels) throw new Invalid('too_deep', `More than ${requirements.levels} levels deep.`);
  for (const part of Object.values(value)) checkValue(part, level + 1);
}

/**
 * @param {string} text
 * @param {string} message  of the browser, which may name the position
 */
function placeOf(text, message) {
  const position = /position (\d+)/.exec(message);
  if (!position) return '';
  const before = text.slice(0, Number(position[1])).split('\n');
  return `, see line ${before.length}, character ${(before.at(-1) ?? '').length + 1}`;
}

/** @param {string} text */
function readBudget(text) {
  const trimmed = text.trim().replace(',', '.');
  if (!trimmed) return 0;
  if (!/^\d+(\.\d*)?$/.test(trimmed)) throw new Invalid('type', 'An amount in dollars, such as 150 or 99.50.');
  const value = Number(trimmed);
  const [least, most] = ranges.budget_usd;
  if (value < least || value > most) throw new Invalid('out_of_range', `From ${least} to ${most} dollars.`);
  return value;
}

/** @param {string} text */
function readBrandKit(text) {
  const trimmed = text.trim().toLowerCase();
  if (!trimmed) return null;
  if (!UUID.test(trimmed)) throw new Invalid('type', 'A brand kit’s id has the form 3c90c3cc-0d44-4b50-8888-8dd25736052a.');
  return trimmed;
}
