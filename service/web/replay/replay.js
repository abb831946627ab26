// @ts-check
/** The page `/replay/{task_id}`: loads a history and plays it. */

import { HttpClient, NoAnswer, SignedOut } from '../autosave/http.js';
import { afterQuiet, byId } from '../common/dom.js';
import { count, refusalText } from '../common/format.js';
import { session } from '../common/session.js';
import { SignInForm } from '../common/sign-in.js';
import { closeDifference, initDifference } from './replay-diff.js';
import { Replay } from './replay-model.js';
import { draw, drawBursts, keepMarkInView, markBurst, sentence } from './replay-view.js';

const task = location.pathname.split('/').at(-1) ?? '';
const http = new HttpClient('/api/v1/tasks', session.source);
const signInForm = new SignInForm();
const scrub = byId('scrub', HTMLInputElement);
const speed = byId('speed', HTMLSelectElement);
/** Elements that use keys themselves: all keys, or only the space key. */
const TYPES = 'input:not([type="range"], [type="checkbox"]), select';
const PRESSES = 'button, a, summary, [type="checkbox"]';
/** One animation frame advances at most by this (milliseconds): a hidden page draws none. */
const MAX_FRAME = 1000;

/** What is loaded so far; after a broken connection, loading continues from here. @type {import('./replay-model.js').Envelope[]} */
const events = [];
/** @type {Replay | null} */
let replay = null;
let index = 0;
/** The position while it plays, in milliseconds of the replay's clock. */
let time = 0;
/** @type {number | null} */
let playing = null;

/** Announces to screen readers; of a quick series of steps only the last. */
const announceSoon = afterQuiet(300, announce);

/** @param {string} words */
function announce(words) {
  byId('announcement').textContent = words;
}

/** Shows the event at an index, and announces it to screen readers unless the replay plays. @param {number} wanted */
function show(wanted) {
  if (!replay) return;
  index = Math.max(0, Math.min(replay.length - 1, wanted));
  const frame = replay.at(index);
  draw(replay, frame, byId('blame', HTMLInputElement).checked);
  markBurst(replay.burstAt(index));
  scrub.value = String(index + 1);
  document.documentElement.dataset.version = String(frame.event.version);
  if (playing !== null) return;
  time = replay.clock[index];
  const words = sentence(replay, frame);
  scrub.setAttribute('aria-valuetext', words);
  announceSoon(document.activeElement === scrub ? '' : words);
}

function play() {
  if (!replay) return;
  closeDifference();
  if (index === replay.length - 1) show(0);
  time = replay.clock[index];
  let before = performance.now();
  /** @param {number} now */
  const advance = (now) => {
    if (!replay) return;
    time += Math.min(now - before, MAX_FRAME) * Number(speed.value);
    before = now;
    const reached = replay.indexAt(time);
    if (reached !== index) show(reached);
    if (reached === replay.length - 1) pause();
    else playing = requestAnimationFrame(advance);
  };
  playing = requestAnimationFrame(advance);
  // A screen reader reads each new value of a focused slider; so the value is constant while the replay plays.
  scrub.setAttribute('aria-valuetext', 'playing');
  announceSoon('Playing');
  playButton(true);
}

function pause() {
  if (playing === null) return;
  cancelAnimationFrame(playing);
  playing = null;
  playButton(false);
  show(index);
}

/** @param {boolean} plays */
function playButton(plays) {
  byId('play-words').textContent = plays ? 'Pause' : 'Play';
  document.getElementById('play-shape')?.setAttribute('d', plays ? 'M5 3v10M11 3v10' : 'M5 3v10l8-5z');
}

/** @param {number} wanted */
function go(wanted) {
  pause();
  closeDifference();
  show(wanted);
}

/** To the end of the previous burst, or to the end of this one or the next. @param {number} direction */
function goByBurst(direction) {
  if (!replay) return;
  const burst = replay.burstAt(index);
  const within = direction > 0 && index < replay.bursts[burst].last;
  const target = replay.bursts[within ? burst : burst + direction];
  go(target ? target.last : direction > 0 ? replay.length - 1 : 0);
}

/** To the event under the pointer. @param {PointerEvent} pointer */
function goToPointer({ clientX }) {
  if (!replay) return;
  const { left, width } = byId('timeline', /** @type {any} */ (SVGElement)).getBoundingClientRect();
  go(Math.floor((replay.length * (clientX - left)) / width));
}

async function load() {
  showWaiting('Loading the history…', '');
  try {
    const refusal = await loadEvents();
    if (refusal) return showRefusal(refusal);
    replay = new Replay(events);
    scrub.max = String(replay.length);
    byId('from', HTMLInputElement).value = String(events[0].version);
    byId('to', HTMLInputElement).value = String(events[replay.length - 1].version);
    drawBursts(replay, go);
    for (const id of ['stage', 'controls', 'proof']) byId(id).hidden = false;
    byId('waiting').hidden = true;
    show(replay.length - 1);
    document.title = `${byId('heading').textContent} · History · Palimpsest`;
    verify();
  } catch (reason) {
    if (reason instanceof SignedOut) return signIn();
    if (!(reason instanceof NoAnswer)) throw reason;
    const loaded = events.length ? ` ${count(events.length)} events are loaded; a new attempt continues after them.` : '';
    showWaiting('The connection is lost', `The service does not answer.${loaded}`, 'load-again');
  }
}

/**
 * Fetches what is still missing of the history.
 * @returns {Promise<import('../autosave/http.js').Answer | null>}  a refusal, if there was one
 */
async function loadEvents() {
  /** @type {number | null} */
  let after = events.at(-1)?.version ?? 0;
  while (after !== null) {
    const answer = await http.call('GET', `/${task}/history?limit=1000&after=${after}`);
    if (!answer.ok) return answer;
    events.push(...answer.body.items);
    after = answer.body.next_after;
    byId('waiting-words').textContent = `${count(events.length)} events`;
  }
  return null;
}

/** @param {import('../autosave/http.js').Answer} refusal */
function showRefusal({ status, problem }) {
  if (status === 404) {
    const words = 'There is no such task, or this token may not see it. Its owner’s may, and one with the scope “audit”.';
    return showWaiting('This history is not here', words, 'other-token');
  }
  showWaiting('The history cannot be read', refusalText(problem), 'load-again');
  if (problem?.type !== '/problems/history-corrupt') return;
  byId('proof').hidden = false;
  verify();
}

/**
 * Shows a message in place of the replay.
 * @param {string} heading
 * @param {string} words
 * @param {string} [action]  the id of the button that is offered
 */
function showWaiting(heading, words, action) {
  byId('waiting').hidden = false;
  byId('waiting-heading').textContent = heading;
  byId('waiting-words').textContent = words;
  for (const id of ['load-again', 'other-token']) byId(id).hidden = id !== action;
}

async function verify() {
  const mark = byId('proof');
  const words = byId('proof-words');
  mark.dataset.verdict = 'asking';
  words.textContent = 'Verifying…';
  byId('proof-problem').hidden = true;
  try {
    const answer = await http.call('GET', `/${task}/verify`);
    if (!answer.ok) throw new NoAnswer();
    const { ok, events: number, problem } = answer.body;
    mark.dataset.verdict = ok ? 'whole' : 'broken';
    words.textContent = ok ? `Verified: ${count(number)} ${number === 1 ? 'event' : 'events'}` : `Broken at version ${problem.version}`;
    mark.title = 'Chain, head and view, as the service finds them. Press to verify again.';
    byId('proof-problem').hidden = ok;
    if (!ok) byId('proof-problem').textContent = `This history is not what was recorded. At version ${problem.version}: ${problem.message} (${problem.code})`;
  } catch (reason) {
    mark.dataset.verdict = 'unknown';
    words.textContent = 'Not verified. Try again';
    if (reason instanceof SignedOut) signIn();
  }
}

function signIn() {
  byId('waiting').hidden = true;
  signInForm.show(replay ? 'The token has expired. Paste another one to continue.' : 'Sign in', { strip: replay !== null });
  signInForm.focus();
}

session.addEventListener('signed-in', () => {
  signInForm.hide();
  byId('film').focus();
  if (replay) verify();
  else load();
});

byId('load-again').addEventListener('click', () => { byId('film').focus(); load(); });
byId('other-token').addEventListener('click', signIn);
byId('proof').addEventListener('click', async () => {
  await verify();
  announce(byId('proof-words').textContent ?? '');
});
byId('play').addEventListener('click', () => { if (playing === null) play(); else pause(); });
byId('back').addEventListener('click', () => go(index - 1));
byId('forward').addEventListener('click', () => go(index + 1));
byId('burst-back').addEventListener('click', () => goByBurst(-1));
byId('burst-forward').addEventListener('click', () => goByBurst(1));
byId('blame').addEventListener('change', () => show(index));
scrub.addEventListener('input', () => go(Number(scrub.value) - 1));
for (const kind of ['pointerdown', 'pointermove']) {
  byId('timeline', /** @type {any} */ (SVGElement)).addEventListener(kind, (event) => {
    const pointer = /** @type {PointerEvent} */ (event);
    if (pointer.buttons & 1) goToPointer(pointer);
  });
}
for (const id of ['from', 'to']) {
  byId(`${id}-here`).addEventListener('click', () => { byId(id, HTMLInputElement).value = String(replay?.events[index].version); });
}

addEventListener('keydown', (pressed) => {
  const on = /** @type {Element} */ (pressed.target);
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || byId('stage').hidden || on.matches(TYPES)) return;
  const { key, shiftKey } = pressed;
  if (key === 'Escape' && !byId('difference').hidden) byId('difference-close').click();
  else if (key === ' ' && !on.matches(PRESSES)) byId('play').click();
  else if (key === 'ArrowLeft') shiftKey ? goByBurst(-1) : go(index - 1);
  else if (key === 'ArrowRight') shiftKey ? goByBurst(1) : go(index + 1);
  else if (key === 'Home') go(0);
  else if (key === 'End') go(Infinity);
  else return;
  pressed.preventDefault();
});

new ResizeObserver(keepMarkInView).observe(byId('text'));
initDifference(http, task, pause, signIn);
load();
