// @ts-check
/**
 * The task's fields as a form shows them: strings on this side, the contract's values (section 3) on the other.
 * What the service would refuse for its form alone is held back here, with words for the person.
 */

import { countCharacters } from './merge.js';
import { Invalid } from './record.js';

/** @typedef {import('./record.js').Field} Field */

const REQUIREMENTS_BYTES = 16 * 1024;
const REQUIREMENTS_LEVELS = 32;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Code points. */
export const LIMITS = Object.freeze({ title: 200, description: 5_000, transcript: 20_000, category: 100, task_type: 100 });

/** @type {Record<string, Field>} */
export const FORM_FIELDS = Object.freeze({
  title: limited(LIMITS.title, { text: true }),
  description: limited(LIMITS.description, { text: true }),
  category: limited(LIMITS.category),
  task_type: limited(LIMITS.task_type),
  requirements: { decode: showObject, encode: remembering(readObject) },
  budget_usd: { blank: 0, decode: (wire) => (wire === 0 ? '' : String(wire)), encode: readBudget },
  experimentation: { decode: String, encode: Number },
  brand_kit_id: { decode: (wire) => wire ?? '', encode: readBrandKit },
  transcript: limited(LIMITS.transcript, { text: true }),
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
      const facts = { limit, actual };
      if (actual > limit) throw new Invalid('too_long', `${number(actual - limit)} characters too many.`, facts);
      if (text.includes('\0')) throw new Invalid('nul', 'It contains a character that cannot be stored (U+0000).');
      return text;
    },
  };
}

/**
 * The last answer again for the same text: every keystroke in any field asks.
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

/** @param {Record<string, unknown>} wire */
function showObject(wire) {
  return Object.keys(wire).length ? JSON.stringify(wire, null, 2) : '';
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
  if (actual > REQUIREMENTS_BYTES) {
    const facts = { limit: REQUIREMENTS_BYTES, actual };
    throw new Invalid('too_long', `${number(actual - REQUIREMENTS_BYTES)} bytes too many.`, facts);
  }
  check(value, 1);
  return value;
}

/**
 * @param {unknown} value
 * @param {number} level
 */
function check(value, level) {
  if (typeof value === 'number' && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))) {
    throw new Invalid('number', 'One of its numbers is too large to be kept exactly; write it as text, in quotes.');
  }
  if (typeof value !== 'object' || value === null) return;
  if (level > REQUIREMENTS_LEVELS) throw new Invalid('too_deep', `More than ${REQUIREMENTS_LEVELS} levels deep.`);
  for (const part of Object.values(value)) check(part, level + 1);
}

/**
 * @param {string} text
 * @param {string} message  of the browser, which names the place in its own way or not at all
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
  if (value < 3 || value > 300) throw new Invalid('out_of_range', 'From 3 to 300 dollars.');
  return value;
}

/** @param {string} text */
function readBrandKit(text) {
  const trimmed = text.trim().toLowerCase();
  if (!trimmed) return null;
  if (!UUID.test(trimmed)) throw new Invalid('type', 'A brand kit’s id has the form 3c90c3cc-0d44-4b50-8888-8dd25736052a.');
  return trimmed;
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString('en');
}
