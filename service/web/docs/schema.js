// @ts-check
/** JSON Schema in words: the type of a value, and the fields of an object. */

import { make } from '../common/dom.js';
import { count } from '../common/format.js';
import { code, prose } from './markdown.js';

/** Follows a reference into the document. @param {any} spec @param {any} value */
export function resolve(spec, value) {
  if (!value?.$ref) return value;
  return value.$ref.slice(2).split('/').reduce((/** @type {any} */ found, /** @type {string} */ name) => found[name], spec);
}

/** The type, and its limits. @param {any} spec @param {any} schema @returns {Node[]} */
export function typeOf(spec, schema) {
  const limits = limitsOf(alternatives(schema).find((kind) => kind.type !== 'null') ?? schema);
  return [make('span', { className: 'type' }, typeName(spec, schema)), make('span', { className: 'limits' }, limits.join(', '))];
}

/** @param {any} schema @returns {any[]} */
function alternatives(schema) {
  return schema.anyOf ?? [schema];
}

/** @param {any} spec @param {any} schema @returns {string} */
function typeName(spec, schema) {
  if (schema.anyOf) return schema.anyOf.map((/** @type {any} */ kind) => typeName(spec, kind)).join(' or ');
  if (schema.enum) return schema.enum.map((/** @type {any} */ value) => `"${value}"`).join(' or ');
  if (schema.$ref) return resolve(spec, schema).type ?? 'any JSON';
  if (schema.type === 'array') return `array of ${typeName(spec, schema.items ?? {})}`;
  const name = [schema.type ?? 'any JSON'].flat().join(' or ');
  return schema.format ? `${name} (${schema.format})` : name;
}

/** @param {any} schema */
function limitsOf(schema) {
  const limits = [];
  if (schema.minLength) limits.push(`at least ${schema.minLength} character${schema.minLength > 1 ? 's' : ''}`);
  if (schema.maxLength) limits.push(`at most ${count(schema.maxLength)} characters`);
  if (schema.minimum !== undefined && schema.maximum !== undefined && schema.maximum < 1e9) {
    limits.push(`${schema.minimum} to ${schema.maximum}`);
  } else if (schema.minimum !== undefined) limits.push(`from ${schema.minimum}`);
  if (schema.default !== undefined) limits.push(`default ${schema.default}`);
  return limits;
}

/** A table of an object's fields; nothing for what has none. @param {any} spec @param {any} schema @returns {Node[]} */
export function fieldTable(spec, schema) {
  const object = resolve(spec, schema);
  if (!object?.properties) return [];
  const required = new Set(object.required ?? []);
  const rows = Object.entries(object.properties).flatMap(([name, field]) => {
    const row = make('tr', {},
      make('th', { scope: 'row' }, code(name), make('span', { className: 'required', hidden: !required.has(name) }, 'always')),
      make('td', {}, ...typeOf(spec, field)),
      make('td', {}, ...prose(field.description ?? ''), ...nested(spec, field)));
    return [row];
  });
  return [make('details', { className: 'fields' },
    make('summary', {}, `${rows.length} field${rows.length > 1 ? 's' : ''}`),
    tableOf(['Field', 'Type', 'Meaning'], rows))];
}

/** A table that scrolls by itself. @param {string[]} columns @param {Node[]} rows */
export function tableOf(columns, rows) {
  return make('div', { className: 'scroll' }, make('table', {},
    make('thead', {}, make('tr', {}, ...columns.map((name) => make('th', { scope: 'col' }, name)))),
    make('tbody', {}, ...rows)));
}

/** @param {any} spec @param {any} field @returns {Node[]} */
function nested(spec, field) {
  return alternatives(field).flatMap((kind) => fieldTable(spec, kind.type === 'array' ? kind.items ?? {} : kind));
}
