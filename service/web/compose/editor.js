// @ts-check
/** The open draft: its fields, the state of saving, conflicts, attachments, publishing. */

import { NoAnswer, Refusal, SignedOut, Unsaved } from '../autosave/autosave.js';
import { countCharacters } from '../autosave/merge.js';
import { TASK_RULES } from '../autosave/task-rules.js';
import { afterQuiet, byId, make } from '../common/dom.js';
import { FIELD_NAMES } from '../common/field-names.js';
import { ago, count, percent } from '../common/format.js';
import { conflictCard, showDifferences } from './conflict.js';
import { FORM_FIELDS } from './form-fields.js';
import { closedMessage, missingMessage, saveMessage } from './messages.js';
import { toast } from './toast.js';

/** @typedef {import('../autosave/autosave.js').Autosave} Autosave */
/** @typedef {import('../autosave/draft-state.js').State} State */
/** @typedef {import('../autosave/http.js').FieldError} FieldError */

/** @type {Record<string, number>} */
const LENGTHS = TASK_RULES.lengths;

/** Milliseconds without typing until errors are shown, and until a state is announced. */
const QUIET = 700;

export class Editor extends EventTarget {
  #http;
  /** @type {Autosave | null} */
  #draft = null;
  #listening = new AbortController();
  /** @type {Map<string, HTMLInputElement | HTMLTextAreaElement>} */
  #inputs = new Map();
  #checkedVersion = -1;
  #conflictsShown = '';
  #status = '';
  /** @type {FieldError[]} */
  #missing = [];

  /**
   * Dispatches `state`, `values`, `status` (it has changed), `signed-out`, `duplicate`, and `rescue` (`detail`: the
   * values to keep in a new draft).
   * @param {import('../autosave/http.js').HttpClient} http
   */
  constructor(http) {
    super();
    this.#http = http;
    for (const name of Object.keys(FORM_FIELDS)) {
      const input = document.getElementById(name);
      if (input instanceof HTMLInputElement || input instanceof HTMLTextAreaElement) this.#inputs.set(name, input);
      input?.addEventListener('input', () => this.#typed(name));
    }
    byId('task').addEventListener('submit', (event) => event.preventDefault());
    byId('title').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      event.preventDefault();
      byId('description').focus();
    });
    byId('task').addEventListener('focusout', () => this.#showErrors());
    byId('attach').addEventListener('click', () => this.#attach());
    byId('reference').addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.isComposing) return;
      event.preventDefault();
      this.#attach();
    });
    byId('try-again').addEventListener('click', () => this.#draft?.retry());
    byId('publish').addEventListener('click', () => this.#askToPublish());
    byId('publish-now').addEventListener('click', () => this.#publish());
    byId('show-error').addEventListener('click', () => this.#showFirstError());
    byId('restore').addEventListener('click', () => this.#command('POST', '/restore', 'It could not be restored'));
    byId('duplicate-closed').addEventListener('click', () => this.#keepCopy());
    document.addEventListener('keydown', (event) => {
      if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey) || !this.#draft) return;
      event.preventDefault();
      this.#draft.flush();
    });
  }

  get id() {
    return this.#draft?.id ?? '';
  }

  get draft() {
    return this.#draft;
  }

  /** @param {Autosave} draft */
  show(draft) {
    this.close();
    this.#draft = draft;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const [name, input] of this.#inputs) draft.bind(name, input);
    draft.addEventListener('state', () => this.#showState(), { signal });
    draft.addEventListener('task', () => this.#showTask(), { signal });
    draft.addEventListener('values', (event) => {
      for (const name of /** @type {CustomEvent<string[]>} */ (event).detail) this.#typed(name);
    }, { signal });
    this.#checkedVersion = -1;
    this.#conflictsShown = '';
    this.#missing = [];
    this.#status = draft.task.status;
    byId('check-list').replaceChildren();
    byId('check').classList.remove('ready');
    byId('check-words').textContent = draft.state.version ? 'Checking…' : 'Nothing saved yet.';
    byId('reference', HTMLInputElement).value = '';
    byId('reference-error').textContent = '';
    byId('transcript-details', HTMLDetailsElement).open = draft.values.transcript !== '';
    byId('no-draft').hidden = true;
    byId('open-draft').hidden = false;
    for (const name of this.#inputs.keys()) this.#typed(name);
    this.#showTask();
    this.#showState();
    this.#showErrors();
  }

  /** Closes the open draft. @returns {Promise<void> | undefined}  when it has been saved, as far as possible */
  close() {
    this.#listening.abort();
    const closing = this.#draft?.close();
    this.#draft = null;
    byId('no-draft').hidden = false;
    byId('open-draft').hidden = true;
    byId('announcement').textContent = '';
    return closing;
  }

  /** @param {string} name */
  #typed(name) {
    const input = /** @type {HTMLInputElement | HTMLTextAreaElement} */ (this.#inputs.get(name));
    if (name in LENGTHS && document.getElementById(`${name}-count`)) this.#showCount(name, input.value);
    if (name === 'experimentation') {
      const share = percent(Number(input.value));
      byId('experimentation-value').textContent = share;
      input.setAttribute('aria-valuetext', share);
    }
    if (name === 'transcript') {
      byId('transcript-length').textContent = input.value ? `${count(countCharacters(input.value))} characters` : 'none';
    }
    if (input instanceof HTMLTextAreaElement) grow(input);
    this.dispatchEvent(new Event('values'));
  }

  /** @param {string} name @param {string} text */
  #showCount(name, text) {
    const limit = LENGTHS[name];
    const length = countCharacters(text);
    const element = byId(`${name}-count`);
    element.textContent = `${count(length)} / ${count(limit)}`;
    element.classList.toggle('over', length > limit);
    element.classList.toggle('near', length > limit * 0.9 && length <= limit);
  }

  #showState() {
    if (!this.#draft) return;
    const { state } = this.#draft;
    const words = saveMessage(state);
    byId('draft-bar').dataset.state = state.version || state.name !== 'saved' ? state.name : 'none';
    byId('save-state').title = state.version ? `Version ${state.version}` : '';
    byId('save-words').textContent = words;
    this.#offer('try-again', state.trouble !== null && state.trouble.status !== 401);
    this.#offer('show-error', state.conflicts.length + state.errors.length > 0);
    this.#showCheck();
    if (byId('announcement').textContent !== words) byId('announcement').textContent = '';
    this.#announce();
    this.#clearErrors(state);
    this.#showErrorsSoon();
    this.#showConflicts(state);
    this.#showClosed(state);
    byId('film').hidden = !state.version;
    if (state.version !== this.#checkedVersion) this.#checkSoon();
    if (state.trouble?.status === 401) this.dispatchEvent(new Event('signed-out'));
    this.dispatchEvent(new CustomEvent('state', { detail: state }));
  }

  /** If the button is hidden while it has the focus, the draft gets the focus. @param {string} id @param {boolean} offered */
  #offer(id, offered) {
    const had = !offered && document.activeElement === byId(id);
    byId(id).hidden = !offered;
    if (had) byId('editor').focus();
  }

  #showFirstError() {
    const { conflicts, errors } = this.#draft?.state ?? { conflicts: [], errors: [] };
    if (!conflicts.length && errors.length) return this.#goTo(errors[0].pointer);
    byId('conflicts').scrollIntoView({ block: 'start' });
    byId('conflicts').querySelector('h3')?.focus({ preventScroll: true });
  }

  /** Announces the state once it stays the same, so that no outdated one is read out. */
  #announce = afterQuiet(QUIET, () => {
    if (!this.#draft || this.#draft.state.name === 'saving') return;
    const words = saveMessage(this.#draft.state);
    if (byId('announcement').textContent !== words) byId('announcement').textContent = words;
  });

  /** Removes the errors of corrected values at once. @param {State} state */
  #clearErrors(state) {
    for (const name of this.#inputs.keys()) {
      if (!state.errors.some(({ pointer }) => pointer === `/${name}`)) this.#showError(name, '');
    }
  }

  #showErrorsSoon = afterQuiet(QUIET, () => this.#showErrors());

  #showErrors() {
    for (const { pointer, message } of this.#draft?.state.errors ?? []) this.#showError(pointer.slice(1), message);
  }

  /** @param {string} name @param {string} message */
  #showError(name, message) {
    const element = document.getElementById(`${name}-error`);
    if (element && element.textContent !== message) element.textContent = message;
    const input = this.#inputs.get(name);
    if (message) input?.setAttribute('aria-invalid', 'true');
    else input?.removeAttribute('aria-invalid');
  }

  /** @param {State} state */
  #showConflicts({ conflicts }) {
    const shown = JSON.stringify(conflicts);
    if (shown === this.#conflictsShown) return;
    const first = this.#conflictsShown === '' || this.#conflictsShown === '[]';
    this.#conflictsShown = shown;
    const within = byId('conflicts').contains(document.activeElement);
    byId('conflicts').replaceChildren(...conflicts.map((conflict) =>
      conflictCard(conflict, Boolean(FORM_FIELDS[conflict.field].text), (chosen) => this.#decide(conflict.field, chosen))));
    showDifferences(byId('conflicts'));
    if (conflicts.length && first) byId('conflicts').scrollIntoView({ block: 'start' });
    if (within && conflicts.length) byId('conflicts').querySelector('h3')?.focus();
  }

  /** @param {string} field @param {any} chosen */
  #decide(field, chosen) {
    this.#draft?.resolve(field, chosen);
    this.#inputs.get(field)?.focus();
  }

  /** @param {State} state */
  #showClosed(state) {
    const status = this.#draft?.task.status ?? 'draft';
    const closed = status !== 'draft';
    for (const input of this.#inputs.values()) {
      if (input.type === 'range') input.disabled = closed;
      else input.readOnly = closed;
    }
    byId('publish').hidden = closed;
    byId('check').hidden = closed;
    byId('add-attachment').hidden = closed;
    const lost = Boolean(state.problem);
    this.#offer('restore', ['discarded', 'expired'].includes(status));
    byId('closed-notice').hidden = !closed && !lost;
    const reason = closedMessage(status) || state.problem?.detail || '';
    byId('closed-words').textContent = lost ? `${reason} Your last changes are not in it.` : reason;
    byId('duplicate-closed').textContent = lost ? 'Keep my changes in a new draft' : 'Duplicate as a draft';
  }

  #showTask() {
    if (!this.#draft) return;
    const { task, id, state } = this.#draft;
    byId('film', HTMLAnchorElement).href = `/replay/${id}`;
    const open = task.status === 'draft';
    byId('attachments').replaceChildren(...task.attachments.map((/** @type {string} */ reference) => make('li', {},
      /^https?:\/\//.test(reference)
        ? make('a', { href: reference, target: '_blank', rel: 'noopener noreferrer', dir: 'auto' }, reference)
        : make('span', { dir: 'auto' }, reference),
      ...(open ? [make('button', { type: 'button', className: 'icon', 'aria-label': `Remove ${reference}`, title: 'Remove', onclick: () => this.#detach(reference) }, '×')] : []))));
    byId('attachments-count').textContent = task.attachments.length ? `${task.attachments.length} of ${TASK_RULES.attachments}` : 'none';
    byId('facts').textContent = task.created_at
      ? `Begun ${ago(task.created_at)}${open ? ` · kept until ${new Date(task.expires_at).toLocaleDateString('en', { day: 'numeric', month: 'long' })}` : ''}` : '';
    this.#showClosed(state);
    if (task.status === this.#status) return;
    this.#status = task.status;
    this.dispatchEvent(new Event('status'));
  }

  #checkSoon = afterQuiet(400, () => this.#check());

  /** Asks whether the acknowledged version could be published. */
  async #check() {
    const draft = this.#draft;
    if (!draft || draft.task.status !== 'draft') return;
    const { version } = draft.state;
    this.#checkedVersion = version;
    if (!version) {
      byId('check-words').textContent = 'Nothing saved yet.';
      return;
    }
    try {
      const { ok, body } = await this.#http.call('GET', `/${draft.id}/publish-check`, { timeout: 20_000 });
      if (!ok || draft !== this.#draft) return;
      this.#showMissing(body.errors ?? []);
    } catch (reason) {
      this.#checkedVersion = -1;
      if (reason instanceof SignedOut) this.dispatchEvent(new Event('signed-out'));
    }
  }

  /** @param {FieldError[]} errors */
  #showMissing(errors) {
    this.#missing = errors;
    this.#showCheck();
    byId('check-list').replaceChildren(...errors.map((error) => make('li', {},
      make('button', { type: 'button', className: 'link', onclick: () => this.#goTo(error.pointer) }, missingMessage(error)))));
  }

  /** The check is of the saved version, which may differ from what the person sees. */
  #showCheck() {
    if (!this.#draft || this.#checkedVersion < 1) return;
    const shown = ['saved', 'saving'].includes(this.#draft.state.name);
    const missing = this.#missing.length > 0;
    byId('check').classList.toggle('ready', shown && !missing);
    if (shown) byId('check-words').textContent = missing ? 'Still missing:' : 'Ready to publish.';
    else byId('check-words').textContent = missing ? 'What is saved still lacks:' : 'Your last changes have to be saved first.';
  }

  /** @param {string} pointer */
  #goTo(pointer) {
    const input = this.#inputs.get(pointer.split('/')[1]);
    if (input?.id === 'transcript') byId('transcript-details', HTMLDetailsElement).open = true;
    input?.scrollIntoView({ block: 'center' });
    input?.focus({ preventScroll: true });
  }

  async #askToPublish() {
    if (!this.#draft) return;
    const { name } = await this.#draft.flush();
    await this.#check();
    if (name === 'saved' && this.#missing.length === 0 && this.#checkedVersion > 0) {
      byId('publish-error').textContent = '';
      byId('publish-question', HTMLDialogElement).showModal();
      return;
    }
    if (this.#missing.length) this.#goTo(this.#missing[0].pointer);
    toast(name === 'saved' && this.#missing.length
      ? `Not yet: ${this.#missing.map(missingMessage).join('; ')}.` : `Not yet. ${this.#draft ? saveMessage(this.#draft.state) : ''}.`);
  }

  async #publish() {
    const dialog = byId('publish-question', HTMLDialogElement);
    const button = byId('publish-now', HTMLButtonElement);
    button.disabled = true;
    button.textContent = 'Publishing…';
    try {
      await this.#draft?.command('POST', '/publish', { complete: true });
      dialog.close();
      byId('editor').focus();
      toast('Published.');
    } catch (reason) {
      if (reason instanceof Refusal && reason.problem.errors) this.#showMissing(reason.problem.errors);
      byId('publish-error').textContent = messageOf(reason);
    } finally {
      button.disabled = false;
      button.textContent = 'Publish';
    }
  }

  async #attach() {
    const input = byId('reference', HTMLInputElement);
    const reference = input.value.trim();
    if (!reference) return input.focus();
    byId('reference-error').textContent = '';
    try {
      await this.#draft?.command('POST', '/attachments', { body: { reference } });
      if (input.value.trim() === reference) input.value = '';
      input.focus();
    } catch (reason) {
      byId('reference-error').textContent = reason instanceof NoAnswer
        ? 'The service does not answer: add it again if it does not appear.' : `Not added. ${messageOf(reason)}`;
    }
  }

  /** @param {string} reference */
  async #detach(reference) {
    await this.#command('DELETE', `/attachments?reference=${encodeURIComponent(reference)}`, 'It could not be removed');
    byId('reference').focus();
  }

  /** @param {string} method @param {string} path @param {string} failure */
  async #command(method, path, failure) {
    try {
      await this.#draft?.command(method, path);
    } catch (reason) {
      toast(`${failure}. ${messageOf(reason)}`);
    }
  }

  #keepCopy() {
    if (!this.#draft) return;
    if (!this.#draft.state.problem) this.dispatchEvent(new CustomEvent('duplicate', { detail: this.#draft.task }));
    else this.dispatchEvent(new CustomEvent('rescue', { detail: { ...this.#draft.values } }));
  }
}

/** @param {unknown} reason */
function messageOf(reason) {
  if (reason instanceof Unsaved) return `First this has to be settled: ${saveMessage(reason.state)}.`;
  if (reason instanceof NoAnswer) return 'No answer from the service.';
  if (reason instanceof SignedOut) return 'Sign in again first.';
  if (!(reason instanceof Refusal)) throw reason;
  const { errors, detail, title } = reason.problem;
  if (errors) return errors.map((error) => `${FIELD_NAMES[error.pointer.slice(1)] ?? ''} ${error.message}`.trim()).join(' ');
  return reason.slug === 'version-mismatch' ? 'It was changed elsewhere meanwhile: please look again.' : detail ?? title;
}

const growsByItself = CSS.supports('field-sizing', 'content');

/** @param {HTMLTextAreaElement} area */
function grow(area) {
  if (growsByItself) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}
