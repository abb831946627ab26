// @ts-check
/** The OpenAPI document as a page: the parameters, bodies and answers of each operation, with examples. */

import { byId, make } from '../common/dom.js';
import { session } from '../common/session.js';
import { code, prose } from './markdown.js';
import { fieldTable, resolve, tableOf, typeOf } from './schema.js';
import { tryIt } from './try-it.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

start().catch((error) => {
  byId('loading').replaceChildren(`The document could not be loaded: ${error.message}`);
});

async function start() {
  const answer = await fetch('/openapi.json');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const spec = await answer.json();
  const main = byId('main');
  const contents = byId('contents');
  main.replaceChildren(introduction(spec));
  for (const tag of spec.tags) {
    const operations = operationsOf(spec, tag.name);
    if (!operations.length) continue;
    const heading = `tag-${tag.name.toLowerCase()}`;
    contents.append(
      make('h2', {}, make('a', { href: `#${heading}` }, tag.name)),
      make('ul', {}, ...operations.map(entry)),
    );
    main.append(make('section', { 'aria-labelledby': heading },
      make('h2', { id: heading }, tag.name), ...prose(tag.description),
      ...operations.map((operation) => article(spec, operation))));
  }
  main.append(problems(spec));
  main.removeAttribute('aria-busy');
  bindToken();
  openNamed();
  addEventListener('hashchange', openNamed);
}

/** @typedef {{path: string, method: string, operation: any}} Operation */

/** @param {any} spec @param {string} tag @returns {Operation[]} */
function operationsOf(spec, tag) {
  return Object.entries(spec.paths).flatMap(([path, methods]) => METHODS
    .filter((method) => methods[method]?.tags.includes(tag))
    .map((method) => ({ path, method, operation: methods[method] })));
}

/** @param {any} spec */
function introduction(spec) {
  return make('section', { className: 'introduction' },
    make('p', { className: 'quiet' }, `Version ${spec.info.version}, OpenAPI ${spec.openapi}`),
    ...prose(spec.info.description));
}

/** @param {Operation} entry */
function entry({ method, operation }) {
  return make('li', {}, make('a', { href: `#${operation.operationId}` }, badge(method), operation.summary));
}

/** @param {string} method */
function badge(method) {
  return make('span', { className: `method ${method}` }, method.toUpperCase());
}

/** @param {any} spec @param {Operation} which */
function article(spec, { path, method, operation }) {
  const parameters = operation.parameters.map((/** @type {any} */ given) => resolve(spec, given));
  const content = make('div', { className: 'operation' }, ...prose(operation.description ?? ''), access(operation));
  if (parameters.length) content.append(make('h3', {}, 'Parameters'), parameterTable(spec, parameters));
  if (operation.requestBody) {
    const optional = operation.requestBody.required ? '' : ' (optional)';
    content.append(make('h3', {}, `Body${optional}`), ...bodies(spec, operation.requestBody.content));
  }
  content.append(make('h3', {}, 'Answers'));
  for (const [status, response] of Object.entries(operation.responses)) content.append(answer(spec, status, response));
  if (operation.tags[0] !== 'Pages') content.append(tryIt(spec, path, method, operation, parameters));
  return make('details', { id: operation.operationId, className: 'card' },
    make('summary', {}, badge(method), code(path), make('span', { className: 'summary' }, operation.summary)),
    content);
}

/** @param {any} operation */
function access(operation) {
  const scopes = (operation.security ?? []).flatMap((/** @type {any} */ one) => one.bearer).join(' or ');
  const words = operation.security?.length === 0 ? 'No token is needed.' : scopes && `Needs the scope ${scopes}.`;
  return make('p', { className: 'quiet', hidden: !words }, words || '');
}

/** @param {any} spec @param {any[]} parameters */
function parameterTable(spec, parameters) {
  const rows = parameters.map((parameter) => make('tr', {},
    make('th', { scope: 'row' }, code(parameter.name), required(parameter.required)),
    make('td', {}, parameter.in),
    make('td', {}, ...typeOf(spec, parameter.schema)),
    make('td', {}, ...prose(parameter.description))));
  return tableOf(['Name', 'In', 'Type', 'Meaning'], rows);
}

/** @param {boolean} isRequired */
function required(isRequired) {
  return make('span', { className: 'required', hidden: !isRequired }, 'required');
}

/** @param {any} spec @param {any} content */
function bodies(spec, content) {
  return Object.entries(content).flatMap(([mediaType, body]) => [
    make('p', { className: 'media' }, code(mediaType)),
    ...fieldTable(spec, body.schema),
    ...examples(spec, body.examples),
  ]);
}

/** @param {any} spec @param {any} named */
function examples(spec, named = {}) {
  return Object.entries(named).map(([name, example]) => {
    const { value } = resolve(spec, example);
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    return make('figure', {},
      make('figcaption', { className: 'quiet' }, `Example: ${name.replaceAll('-', ' ')}`),
      make('pre', { tabIndex: 0 }, make('code', {}, text)));
  });
}

/** @param {any} spec @param {string} status @param {any} response */
function answer(spec, status, response) {
  const kind = status[0] === '2' ? 'good' : status[0] === '3' ? 'same' : 'bad';
  const content = make('div', { className: 'answer' });
  const headers = Object.entries(response.headers ?? {});
  content.append(make('dl', { className: 'headers' }, ...headers.flatMap(([name, header]) => [
    make('dt', {}, code(name)),
    make('dd', {}, ...prose(resolve(spec, header).description)),
  ])));
  content.append(...bodies(spec, response.content ?? {}));
  return make('details', {},
    make('summary', {}, make('span', { className: `status ${kind}` }, status), make('span', {}, ...prose(response.description))),
    content);
}

/** @param {any} spec */
function problems(spec) {
  const slugs = spec.components.schemas.Problem.properties.type.enum;
  return make('section', { 'aria-labelledby': 'problems' },
    make('h2', { id: 'problems' }, 'Problems'),
    make('ul', { className: 'problems' }, ...slugs.map((/** @type {string} */ type) => {
      const { summary, value } = spec.components.examples[type.slice('/problems/'.length)];
      return make('li', {}, make('span', { className: 'status bad' }, String(value.status)),
        make('a', { href: type }, code(type)), summary);
    })));
}

/** Shares the token of the tab with the other pages. */
function bindToken() {
  const field = byId('token', HTMLInputElement);
  field.value = session.token;
  field.addEventListener('input', () => {
    if (!field.value) session.signOut();
    field.setCustomValidity(field.value && session.signIn(field.value));
    field.reportValidity();
  });
  byId('token-form').addEventListener('submit', (event) => event.preventDefault());
}

/** Opens the operation that the address names. */
function openNamed() {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
  if (named && location.hash) named.scrollIntoView();
}
