// @ts-check
/** The compose page: who is signed in, which draft is open, and its parts wired together. */

import { Autosave, NoAnswer, Refusal, SignedOut, newId } from './autosave.js';
import { DraftList, nameOf } from './drafts.js';
import { Editor } from './editor.js';
import { afterQuiet, byId, toast } from './elements.js';
import { FORM_FIELDS } from './fields.js';
import { session } from './session.js';
import { Wire } from './wire.js';

const TASKS = '/api/v1/tasks';
const wire = new Wire(TASKS, session.source);
const editor = new Editor(wire);
const list = new DraftList(wire, async (id) => id === editor.id && editor.draft?.flush());
const narrow = matchMedia('(max-width: 52rem)');

/** Milliseconds that signing out waits for what is still to be sent; it stays on the device otherwise. */
const PARTING_PATIENCE = 3_000;

let account = '';
/** Where the person was when the token ran out. @type {HTMLElement | null} */
let interrupted = null;
/** Which draft was asked for last; an older answer is of no use. */
let asked = 0;

/** Shows what fits who is signed in, and to which draft the address points. */
async function enter() {
  if (session.account !== account) {
    editor.close();
    list.clear();
    setTitle();
    asked++;
    account = session.account;
    byId('account').hidden = !account;
    byId('account-name').textContent = account ? `Signed in as ${account.slice(0, 8)}` : '';
  }
  byId('pages').hidden = !session.seesAnalytics;
  askToSignIn(!account);
  byId('workspace').hidden = !account;
  if (!account) return;
  list.load();
  await route();
  await deliverWhatWasLeft();
}

/** @param {boolean} wanted */
function askToSignIn(wanted) {
  const form = byId('sign-in');
  if (wanted && form.hidden && account) interrupted = /** @type {HTMLElement | null} */ (document.activeElement);
  if (wanted && form.hidden && !account) queueMicrotask(() => byId('token').focus());
  form.hidden = !wanted;
  form.classList.toggle('again', Boolean(account));
  byId('sign-in-heading').textContent = account ? 'Sign in again to go on saving' : 'Sign in';
  showComplaint(wanted ? session.complaint : '');
}

/** @param {string} words */
function showComplaint(words) {
  byId('token-error').textContent = words;
  if (words) byId('token').setAttribute('aria-invalid', 'true');
  else byId('token').removeAttribute('aria-invalid');
}

/** The service refuses the token: a strip above what is open, or from the start again where nothing is. */
function lostSession() {
  if (editor.draft) askToSignIn(true);
  else session.signOut('The service does not accept this token.');
}

async function route() {
  if (!account) return;
  const wanted = /^#\/([0-9a-f-]{36}|new)$/.exec(location.hash)?.[1] ?? '';
  byId('workspace').dataset.shows = wanted ? 'editor' : 'list';
  if (!wanted) {
    const left = editor.id;
    asked++;
    editor.close();
    sayNothingIsOpen();
    setTitle();
    list.show('');
    if (left && narrow.matches) list.focus(left);
    return;
  }
  if (wanted !== editor.id) await open(wanted === 'new' ? newId() : wanted, wanted === 'new');
}

/**
 * @param {string} id
 * @param {boolean} isNew
 * @param {Record<string, any>} [values]  to begin with
 */
async function open(id, isNew, values = {}) {
  const mine = ++asked;
  try {
    const draft = await Autosave.open({ id, isNew, account, token: session.source, fields: FORM_FIELDS });
    if (mine !== asked) {
      await draft.close();
      return;
    }
    for (const [name, value] of Object.entries(values)) draft.set(name, value);
    editor.show(draft);
    list.show(id, isNew ? undefined : { title: draft.values.title });
    setTitle();
    const field = byId(draft.values.title ? 'description' : 'title');
    if (draft.task.status !== 'draft' || (narrow.matches && !isNew)) byId('editor').focus();
    else field.focus();
  } catch (reason) {
    if (mine !== asked) return;
    editor.close();
    if (reason instanceof SignedOut) return lostSession();
    const gone = reason instanceof Refusal && reason.problem.status === 404;
    if (!gone && !(reason instanceof Refusal) && !(reason instanceof NoAnswer)) throw reason;
    sayNothingIsOpen(gone ? 'There is no such draft' : 'The draft cannot be loaded now',
      gone ? 'It may belong to somebody else.' : 'The service does not answer. What was typed here is kept.', !gone);
  }
}

function sayNothingIsOpen(heading = 'Nothing open', hint = 'Choose a task, or start a new draft. It is saved while you type.', again = false) {
  byId('editor-heading').textContent = heading;
  byId('editor-hint').textContent = hint;
  byId('first-draft').hidden = again;
  byId('load-again').hidden = !again;
}

/** Edits that an earlier visit could not deliver are sent now, of drafts that are not open too. */
async function deliverWhatWasLeft() {
  const whose = account;
  const ids = await Autosave.unsent(whose);
  const left = ids.filter((id) => id !== editor.id);
  if (!left.length) return;
  list.markUnsent(left);
  for (const id of left) {
    if (account !== whose) return;
    const draft = await Autosave.open({ id, account: whose, token: session.source, fields: FORM_FIELDS, poll: 0 });
    await draft.flush();
    await draft.close();
  }
  list.markUnsent((await Autosave.unsent(whose)).filter((id) => id !== editor.id));
  list.load();
}

function setTitle() {
  const name = editor.draft ? nameOf(editor.draft.values) : '';
  document.title = name ? `${name} · Palimpsest` : 'Palimpsest';
  byId('draft-heading').textContent = name;
}

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = byId('token', HTMLInputElement);
  const complaint = session.signIn(input.value);
  showComplaint(complaint);
  if (complaint) input.focus();
  else input.value = '';
});
byId('sign-out').addEventListener('click', async () => {
  const whose = account;
  const parting = Promise.resolve(editor.close()).then(() => Autosave.forget(whose));
  const patience = new Promise((resolve) => { setTimeout(resolve, PARTING_PATIENCE); });
  const left = await Promise.race([parting, patience.then(() => Autosave.forget(whose))]);
  session.signOut();
  if (left) toast(`${left === 1 ? 'One draft has' : `${left} drafts have`} changes that are kept on this device until you sign in again.`);
});
session.addEventListener('signed-in', async () => {
  const same = session.account === account;
  const back = same ? interrupted : byId('new-draft');
  interrupted = null;
  await enter();
  if (same) editor.draft?.retry();
  if (document.activeElement === document.body) back?.focus();
});
session.addEventListener('signed-out', () => {
  if (!session.complaint) history.replaceState(null, '', location.pathname);
  enter();
});
addEventListener('hashchange', route);
addEventListener('beforeunload', (event) => {
  const state = editor.draft?.state;
  if (state && state.name !== 'saved' && !state.kept) event.preventDefault();
});

for (const id of ['new-draft', 'first-draft']) {
  byId(id).addEventListener('click', () => {
    if (location.hash === '#/new') route();
    else location.hash = '#/new';
  });
}
byId('load-again').addEventListener('click', route);
addEventListener('online', () => {
  if (!account) return;
  list.load();
  if (!editor.draft) route();
});
for (const id of ['back', 'back-from-nothing']) {
  byId(id).addEventListener('click', (event) => {
    event.preventDefault();
    location.hash = '';
  });
}

for (const part of [list, editor]) part.addEventListener('signed-out', lostSession);
for (const change of ['discard', 'restore']) {
  list.addEventListener(change, (event) => {
    if (/** @type {CustomEvent} */ (event).detail.id === editor.id) editor.draft?.refresh();
  });
}
list.addEventListener('duplicated', (event) => { location.hash = `#/${/** @type {CustomEvent} */ (event).detail.id}`; });
editor.addEventListener('duplicate', (event) => list.duplicate(/** @type {CustomEvent} */ (event).detail));
editor.addEventListener('rescue', (event) => {
  const id = newId();
  history.pushState(null, '', `#/${id}`);
  open(id, true, /** @type {CustomEvent} */ (event).detail);
});
editor.addEventListener('status', () => list.load());
editor.addEventListener('values', afterQuiet(150, () => {
  if (!editor.draft) return;
  setTitle();
  const { title, description, category } = editor.draft.values;
  list.show(editor.id, { title, description, category });
}));
let listed = 0;
editor.addEventListener('state', (event) => {
  const { name, version } = /** @type {CustomEvent<import('./record.js').State>} */ (event).detail;
  if (location.hash === '#/new' && (version || name !== 'saved')) history.replaceState(null, '', `#/${editor.id}`);
  if (version && name === 'saved' && !list.has(editor.id) && listed !== version) {
    listed = version;
    list.load();
  }
});

enter();
