// @ts-check
/** The compose page: who is signed in, which draft is open, and its parts wired together. */

import { Autosave, NoAnswer, Refusal, SignedOut, newId } from '../autosave/autosave.js';
import { HttpClient } from '../autosave/http.js';
import { afterQuiet, byId } from '../common/dom.js';
import { updateHeader } from '../common/header.js';
import { session } from '../common/session.js';
import { SignInForm } from '../common/sign-in.js';
import { DraftList, nameOf } from './drafts.js';
import { Editor } from './editor.js';
import { FORM_FIELDS } from './form-fields.js';
import { toast } from './toast.js';

const TASKS = '/api/v1/tasks';
const http = new HttpClient(TASKS, session.source);
const signInForm = new SignInForm();
const editor = new Editor(http);
const list = new DraftList(http, async (id) => id === editor.id && editor.draft?.flush());
const narrow = matchMedia('(max-width: 52rem)');

/** Milliseconds that signing out waits for unsent changes; what is not sent by then stays on the device. */
const SIGN_OUT_TIMEOUT = 3_000;

let account = '';
/** Where the person was when the token ran out. @type {HTMLElement | null} */
let interrupted = null;
/** The number of the last request to open a draft; answers to earlier ones are dropped. */
let lastOpen = 0;

/** Shows the drafts of the user, and the draft in the address. */
async function enter() {
  if (session.account !== account) {
    editor.close();
    list.clear();
    setTitle();
    lastOpen++;
    account = session.account;
  }
  updateHeader();
  askToSignIn(!account);
  byId('workspace').hidden = !account;
  if (!account) return;
  list.load();
  await route();
  await sendUnsent();
}

/** @param {boolean} wanted */
function askToSignIn(wanted) {
  if (!wanted) return signInForm.hide();
  if (!signInForm.isShown && account) interrupted = /** @type {HTMLElement | null} */ (document.activeElement);
  if (!signInForm.isShown && !account) signInForm.focus();
  const heading = account ? 'Sign in again to go on saving' : 'Sign in';
  signInForm.show(heading, { error: session.error, strip: Boolean(account) });
}

/** The service refuses the token: asks for another above the open draft, or signs out if no draft is open. */
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
    lastOpen++;
    editor.close();
    showNothingOpen();
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
  const mine = ++lastOpen;
  try {
    const draft = await Autosave.open({ id, isNew, account, token: session.source, fields: FORM_FIELDS });
    if (mine !== lastOpen) {
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
    if (mine !== lastOpen) return;
    editor.close();
    if (reason instanceof SignedOut) return lostSession();
    const gone = reason instanceof Refusal && reason.problem.status === 404;
    if (!gone && !(reason instanceof Refusal) && !(reason instanceof NoAnswer)) throw reason;
    showNothingOpen(gone ? 'There is no such draft' : 'The draft cannot be loaded now',
      gone ? 'It may belong to another user.' : 'The service does not answer. What was typed here is kept.', !gone);
  }
}

function showNothingOpen(heading = 'Nothing open', hint = 'Choose a task, or start a new draft. It is saved while you type.', again = false) {
  byId('editor-heading').textContent = heading;
  byId('editor-hint').textContent = hint;
  byId('first-draft').hidden = again;
  byId('load-again').hidden = !again;
}

/** Sends changes that an earlier visit could not send, also of drafts that are not open. */
async function sendUnsent() {
  const owner = account;
  const ids = await Autosave.unsent(owner);
  const left = ids.filter((id) => id !== editor.id);
  if (!left.length) return;
  list.markUnsent(left);
  for (const id of left) {
    if (account !== owner) return;
    const draft = await Autosave.open({ id, account: owner, token: session.source, fields: FORM_FIELDS, poll: 0 });
    await draft.flush();
    await draft.close();
  }
  list.markUnsent((await Autosave.unsent(owner)).filter((id) => id !== editor.id));
  list.load();
}

function setTitle() {
  const name = editor.draft ? nameOf(editor.draft.values) : '';
  document.title = name ? `${name} · Palimpsest` : 'Palimpsest';
  byId('draft-heading').textContent = name;
}

byId('sign-out').addEventListener('click', async () => {
  const owner = account;
  const timeout = new Promise((resolve) => { setTimeout(resolve, SIGN_OUT_TIMEOUT); });
  await Promise.race([editor.close(), timeout]);
  const left = await Autosave.forget(owner);
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
  if (!session.error) history.replaceState(null, '', location.pathname);
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
  const { name, version } = /** @type {CustomEvent<import('../autosave/draft-state.js').State>} */ (event).detail;
  if (location.hash === '#/new' && (version || name !== 'saved')) history.replaceState(null, '', `#/${editor.id}`);
  if (version && name === 'saved' && !list.has(editor.id) && listed !== version) {
    listed = version;
    list.load();
  }
});

enter();
