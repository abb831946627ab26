// @ts-check
/** "Try it": a form for one operation, the request as a curl command, and the answer. */

import { make } from '../common/dom.js';
import { session } from '../common/session.js';
import { code } from './markdown.js';
import { resolve } from './schema.js';

const SHOWN = ['content-type', 'etag', 'last-modified', 'location', 'retry-after', 'allow', 'x-request-id'];

/** @param {any} spec @param {string} path @param {string} method @param {any} operation @param {any[]} parameters */
export function tryIt(spec, path, method, operation, parameters) {
  const fields = parameters.map((parameter) => ({ parameter, input: field(operation, parameter) }));
  const body = operation.requestBody && bodyField(spec, operation);
  const output = make('div', { className: 'output', 'aria-live': 'polite' });
  const form = make('form', {
    className: 'try',
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      send(request(path, method, fields, body), output);
    },
  }, ...fields.map(({ parameter, input }) => labelled(input, `${parameter.name}${parameter.required ? '' : ' (optional)'}`)));
  if (body) form.append(labelled(body.mediaType, 'Content-Type'), labelled(body.text, 'Body'));
  form.append(make('button', { type: 'submit' }, 'Send'), output);
  return make('details', { className: 'try-it' }, make('summary', {}, 'Try it'), form);
}

/** @typedef {{mediaType: HTMLSelectElement, text: HTMLTextAreaElement}} Body */

/** @param {any} operation @param {any} parameter */
function field(operation, parameter) {
  const id = `${operation.operationId}-${parameter.name}`;
  return /** @type {HTMLInputElement} */ (make('input', { id, required: parameter.required, spellcheck: false, autocomplete: 'off' }));
}

/** @param {any} spec @param {any} operation @returns {Body} */
function bodyField(spec, operation) {
  const { content } = operation.requestBody;
  /** @param {string} mediaType */
  const exampleOf = (mediaType) => {
    const [first] = Object.values(content[mediaType].examples);
    return JSON.stringify(resolve(spec, first).value, null, 2);
  };
  const [first] = Object.keys(content);
  const text = /** @type {HTMLTextAreaElement} */ (make('textarea', { id: `${operation.operationId}-body`, rows: 8, spellcheck: false, value: exampleOf(first) }));
  const mediaType = /** @type {HTMLSelectElement} */ (make('select', {
    id: `${operation.operationId}-type`,
    onchange: () => { text.value = exampleOf(mediaType.value); },
  }, ...Object.keys(content).map((name) => make('option', {}, name))));
  return { mediaType, text };
}

/** @param {HTMLElement} input @param {string} name */
function labelled(input, name) {
  return make('div', { className: 'field' }, make('label', { htmlFor: input.id }, code(name)), input);
}

/**
 * @param {string} path
 * @param {string} method
 * @param {{parameter: any, input: HTMLInputElement}[]} fields
 * @param {Body | undefined} body
 */
function request(path, method, fields, body) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (session.token) headers.Authorization = `Bearer ${session.token}`;
  const query = new URLSearchParams();
  let target = path;
  for (const { parameter, input } of fields) {
    if (!input.value) continue;
    if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === 'query') query.append(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (body?.text.value) headers['Content-Type'] = body.mediaType.value;
  const address = query.size ? `${target}?${query}` : target;
  return { address, method: method.toUpperCase(), headers, body: body?.text.value || undefined };
}

/** @param {{address: string, method: string, headers: Record<string, string>, body: string | undefined}} given @param {HTMLElement} output */
async function send({ address, ...options }, output) {
  output.replaceChildren(figure('Request', curl(address, options)));
  const began = performance.now();
  try {
    const response = await fetch(address, { ...options, cache: 'no-store' });
    const text = await response.text();
    const took = Math.round(performance.now() - began);
    const headers = SHOWN.filter((name) => response.headers.has(name)).map((name) => `${name}: ${response.headers.get(name)}`);
    const good = response.status < 400 ? 'good' : 'bad';
    output.append(
      make('p', {}, make('span', { className: `status ${good}` }, String(response.status)), ` ${response.statusText}, ${took} ms`),
      figure('Headers', headers.join('\n')),
    );
    if (text) output.append(figure('Body', pretty(text)));
  } catch (error) {
    output.append(make('p', { className: 'quiet' }, `There was no answer: ${/** @type {Error} */ (error).message}`));
  }
}

/** @param {string} address @param {{method: string, headers: Record<string, string>, body: string | undefined}} options */
function curl(address, { method, headers, body }) {
  const shown = Object.entries(headers).map(([name, value]) => (name === 'Authorization' ? [name, 'Bearer $TOKEN'] : [name, value]));
  /** @param {string} text */
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl -X ${method} ${quoted(location.origin + address)}`];
  for (const [name, value] of shown) lines.push(`-H ${name === 'Authorization' ? `"${name}: ${value}"` : quoted(`${name}: ${value}`)}`);
  if (body) lines.push(`-d ${quoted(body)}`);
  return lines.join(' \\\n  ');
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {string} caption @param {string} text */
function figure(caption, text) {
  return make('figure', {}, make('figcaption', { className: 'quiet' }, caption), make('pre', { tabIndex: 0 }, make('code', {}, text)));
}
