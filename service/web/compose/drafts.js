// @ts-check
/** The list of the user's tasks: search, filter, discard, restore, duplicate. */

import { NoAnswer, SignedOut, newId } from '../autosave/autosave.js';
import { afterQuiet, byId, make, makeSvg } from '../common/dom.js';
import { ago, count, refusalText } from '../common/format.js';
import { toast } from './toast.js';

const PAGE = 30;
/** @type {Record<string, string>} */
const STATUS = { draft: 'Draft', open: 'Published', discarded: 'Discarded', expired: 'Expired' };

export class DraftList extends EventTarget {
  #http;
  #settle;
  #list = byId('draft-list', HTMLUListElement);
  #find = byId('find', HTMLFormElement);
  #more = byId('more-drafts', HTMLButtonElement);
  /** @type {Record<string, any>[]} */
  #items = [];
  /** @type {string | null} */
  #cursor = null;
  #asked = 0;
  #loaded = false;
  #loading = Promise.resolve();
  #open = '';
  /** Ids of drafts of which this device keeps unsaved edits. @type {Set<string>} */
  #unsent = new Set();

  /**
   * Dispatches `discard`, `restore`, `duplicated` (`detail`: the task) and `signed-out`.
   * @param {import('../autosave/http.js').HttpClient} http
   * @param {(id: string) => Promise<unknown>} settle  saves what is being typed into a task
   */
  constructor(http, settle) {
    super();
    this.#http = http;
    this.#settle = settle;
    const search = afterQuiet(200, () => this.load());
    this.#find.addEventListener('input', search);
    this.#find.addEventListener('submit', (event) => { event.preventDefault(); this.load(); });
    this.#more.addEventListener('click', () => this.load({ more: true }));
    this.#list.addEventListener('keydown', (event) => this.#walk(event));
  }

  /** Resolves when the newest list is shown, also one that was requested later. @param {{more?: boolean}} [options] */
  load(options = {}) {
    this.#loading = this.#load(options);
    return this.#loading;
  }

  /** @param {{more?: boolean}} options @returns {Promise<void>} */
  async #load({ more = false }) {
    const asked = ++this.#asked;
    const query = new URLSearchParams({ limit: String(PAGE) });
    for (const [name, value] of new FormData(this.#find)) {
      if (String(value).trim()) query.set(name, String(value).trim());
    }
    if (more && this.#cursor) query.set('cursor', this.#cursor);
    const before = this.#items.length;
    try {
      const { ok, body, problem } = await this.#http.call('GET', `?${query}`, { timeout: 20_000 });
      if (asked !== this.#asked) return this.#loading;
      if (!ok) throw new Error(refusalText(problem));
      this.#items = more ? [...this.#items, ...body.items] : body.items;
      this.#cursor = body.next_cursor;
      this.#loaded = true;
      this.#render();
      if (more) this.#links()[before]?.focus();
    } catch (reason) {
      if (asked !== this.#asked) return this.#loading;
      this.#fail(reason, 'The list could not be loaded');
    }
  }

  /**
   * Marks the open draft, and shows its newest values without asking the service.
   * @param {string} id  empty for none
   * @param {Record<string, any>} [values]
   */
  show(id, values) {
    this.#open = id;
    const item = this.#items.find((task) => task.id === id);
    if (item && values) Object.assign(item, values, { updated_at: new Date().toISOString() });
    this.#render();
  }

  /** Removes everything of the user who has signed out. */
  clear() {
    this.#asked++;
    this.#loading = Promise.resolve();
    this.#items = [];
    this.#cursor = null;
    this.#loaded = false;
    this.#open = '';
    this.#unsent.clear();
    this.#find.reset();
    this.#render();
  }

  /** @param {string} id */
  has(id) {
    return this.#items.some((task) => task.id === id);
  }

  /** @param {Iterable<string>} ids */
  markUnsent(ids) {
    this.#unsent = new Set(ids);
    this.#render();
  }

  /** @param {string} id */
  focus(id) {
    const link = this.#links().find((each) => each.hash === `#/${id}`) ?? this.#links()[0];
    (link ?? byId('new-draft')).focus();
  }

  /** @param {Record<string, any>} task */
  async discard(task) {
    await this.#settle(task.id);
    await this.#act('DELETE', `/${task.id}`, 'It could not be discarded', () => {
      const at = this.#items.indexOf(task);
      this.dispatchEvent(new CustomEvent('discard', { detail: task }));
      toast(`Discarded “${nameOf(task)}”.`, { label: 'Undo', act: () => this.restore(task) });
      this.load().then(() => (this.#links()[Math.min(at, this.#links().length - 1)] ?? byId('new-draft')).focus());
    });
  }

  /** @param {Record<string, any>} task */
  async restore(task) {
    await this.#act('POST', `/${task.id}/restore`, 'It could not be restored', () => {
      this.dispatchEvent(new CustomEvent('restore', { detail: task }));
      toast(`“${nameOf(task)}” is a draft again.`);
      this.load().then(() => this.focus(task.id));
    });
  }

  /** @param {Record<string, any>} task */
  async duplicate(task) {
    await this.#settle(task.id);
    await this.#act('POST', `/${task.id}/duplicate`, 'It could not be duplicated', (copy) => {
      toast(`Duplicated “${nameOf(task)}”.`);
      this.load();
      this.dispatchEvent(new CustomEvent('duplicated', { detail: copy }));
    });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} failure
   * @param {(body: any) => void} then
   */
  async #act(method, path, failure, then) {
    const headers = { 'Idempotency-Key': newId() };
    try {
      const { ok, body, problem } = await this.#http.call(method, path, { headers, timeout: 20_000 });
      if (!ok) throw new Error(refusalText(problem));
      then(body);
    } catch (reason) {
      this.#fail(reason, failure);
    }
  }

  /** @param {unknown} reason @param {string} failure */
  #fail(reason, failure) {
    if (reason instanceof SignedOut) this.dispatchEvent(new Event('signed-out'));
    else if (reason instanceof NoAnswer) toast(`${failure}: no answer from the service.`);
    else if (reason instanceof Error) toast(`${failure}: ${reason.message}`);
  }

  #render() {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    this.#list.replaceChildren(...this.#items.map((task) => this.#item(task)));
    this.#more.hidden = !this.#cursor;
    const total = `${count(this.#items.length)}${this.#cursor ? '+' : ''}`;
    const sought = [...new FormData(this.#find).values()].some((value) => String(value).trim());
    const nothing = sought ? 'Nothing found.' : 'No tasks yet.';
    const words = !this.#loaded ? '' : this.#items.length === 0 ? nothing : `${total} ${this.#items.length === 1 ? 'task' : 'tasks'}`;
    if (byId('drafts-count').textContent !== words) byId('drafts-count').textContent = words;
    suggest('known-categories', this.#items.map((task) => task.category));
    suggest('known-types', this.#items.map((task) => task.task_type));
    if (focused) /** @type {HTMLElement | null} */ (this.#list.querySelector(`[data-key="${focused}"]`))?.focus();
  }

  /** @param {Record<string, any>} task */
  #item(task) {
    const name = nameOf(task);
    const meta = [task.category, ago(task.updated_at)].filter(Boolean).join(' · ');
    const link = make('a', { href: `#/${task.id}` },
      make('span', { className: 'name', dir: 'auto' }, name),
      make('span', { className: 'quiet meta' },
        ...(task.status === 'draft' ? [] : [make('span', { className: `badge ${task.status}` }, STATUS[task.status])]),
        ...(this.#unsent.has(task.id) ? [make('span', { className: 'badge unsent' }, 'Not saved yet')] : []),
        meta));
    link.dataset.key = `open-${task.id}`;
    if (task.id === this.#open) link.setAttribute('aria-current', 'page');
    const actions = make('div', { className: 'actions' });
    const offer = (/** @type {string} */ label, /** @type {string} */ icon, /** @type {() => void} */ act) => {
      const button = make('button', { type: 'button', className: 'icon', title: label, 'aria-label': `${label} “${name}”`, onclick: act });
      button.dataset.key = `${icon}-${task.id}`;
      button.append(iconOf(icon));
      actions.append(button);
    };
    if (['discarded', 'expired'].includes(task.status)) offer('Restore', 'restore', () => this.restore(task));
    offer('Duplicate', 'duplicate', () => this.duplicate(task));
    if (task.status === 'draft') offer('Discard', 'discard', () => this.discard(task));
    return make('li', {}, link, actions);
  }

  /** Arrow keys go from task to task. @param {KeyboardEvent} event */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const at = this.#links().findIndex((link) => link.parentElement?.contains(document.activeElement));
    if (!step || at < 0) return;
    const next = this.#links()[at + step];
    if (next) next.focus();
    event.preventDefault();
  }

  #links() {
    return Array.from(this.#list.querySelectorAll('a'));
  }
}

/** The title, or the first line of the description. @param {Record<string, any>} task */
export function nameOf(task) {
  const words = (task.title || task.description || '').trim().split('\n')[0];
  return words.length > 80 ? `${words.slice(0, 79)}…` : words || 'Untitled';
}

/** @param {string} id @param {string[]} values */
function suggest(id, values) {
  const known = [...new Set(values.filter(Boolean))].sort();
  byId(id).replaceChildren(...known.map((value) => make('option', { value })));
}

/** @type {Record<string, string>} */
const SHAPES = {
  restore: 'M3 8a5 5 0 1 0 1.6-3.7M3 2.5V5.5h3',
  duplicate: 'M5.5 5.5h7v7h-7zM3.5 10.5v-7h7',
  discard: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4',
};

/** @param {string} name */
function iconOf(name) {
  return makeSvg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, makeSvg('path', { d: SHAPES[name] }));
}
