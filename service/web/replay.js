// @ts-check
/** The page `/replay/{task_id}`: loads a history and plays it. */

import { afterQuiet, byId, count } from './elements.js';
import { closeDifference, offerDifference } from './film-difference.js';
import { draw, drawBursts, keepMarkInView, markBurst, sentence } from './film-picture.js';
import { Film } from './film.js';
import { session } from './session.js';
import { NoAnswer, SignedOut, Wire } from './wire.js';

const task = location.pathname.split('/').at(-1) ?? '';
const wire = new Wire('/api/v1/tasks', session.source);
const scrub = byId('scrub', HTMLInputElement);
const speed = byId('speed', HTMLSelectElement);
/** What has keys of its own: for typing and choosing, and for pressing. */
const TYPES = 'input:not([type="range"], [type="checkbox"]), select';
const PRESSES = 'button, a, summary, [type="checkbox"]';
/** The longest that a picture of the film may stand for, in milliseconds: a hidden page draws none. */
const LONGEST_TURN = 1000;

/** What is loaded so far, so that a broken connection costs nothing twice. @type {import('./film.js').Envelope[]} */
const events = [];
/** @type {Film | null} */
let film = null;
let index = 0;
/** Where the film stands while it plays, in milliseconds of its clock. */
let time = 0;
/** @type {number | null} */
let playing = null;

/** Tells those who do not see it; a quick series of steps only by its last. */
const announceSoon = afterQuiet(300, announce);

/** @param {string} words */
function announce(words) {
  byId('announcement').textContent = words;
}

/** Shows the event at an index, and says so to those who do not see it, unless the film plays. @param {number} wanted */
function show(wanted) {
  if (!film) return;
  index = Math.max(0, Math.min(film.length - 1, wanted));
  const frame = film.at(index);
  draw(film, frame, byId('blame', HTMLInputElement).checked);
  markBurst(film.burstAt(index));
  scrub.value = String(index + 1);
  document.documentElement.dataset.version = String(frame.event.version);
  if (playing !== null) return;
  time = film.clock[index];
  const words = sentence(film, frame);
  scrub.setAttribute('aria-valuetext', words);
  announceSoon(document.activeElement === scrub ? '' : words);
}

function play() {
  if (!film) return;
  closeDifference();
  if (index === film.length - 1) show(0);
  time = film.clock[index];
  let before = performance.now();
  /** @param {number} now */
  const turn = (now) => {
    if (!film) return;
    time += Math.min(now - before, LONGEST_TURN) * Number(speed.value);
    before = now;
    const reached = film.indexAt(time);
    if (reached !== index) show(reached);
    if (reached === film.length - 1) pause();
    else playing = requestAnimationFrame(turn);
  };
  playing = requestAnimationFrame(turn);
  // A screen reader tells each new value of a slider that has the focus; so it has none while the film plays.
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

/** Back to the end of the burst before, or on to the end of this one or the next. @param {number} direction */
function goByBurst(direction) {
  if (!film) return;
  const burst = film.burstAt(index);
  const within = direction > 0 && index < film.bursts[burst].last;
  const target = film.bursts[within ? burst : burst + direction];
  go(target ? target.last : direction > 0 ? film.length - 1 : 0);
}

/** To the event under the pointer. @param {PointerEvent} pointer */
function goToPointer({ clientX }) {
  if (!film) return;
  const { left, width } = byId('timeline', /** @type {any} */ (SVGElement)).getBoundingClientRect();
  go(Math.floor((film.length * (clientX - left)) / width));
}

async function load() {
  wait('Loading the history…', '');
  try {
    const refusal = await loadEvents();
    if (refusal) return refused(refusal);
    film = new Film(events);
    scrub.max = String(film.length);
    byId('from', HTMLInputElement).value = String(events[0].version);
    byId('to', HTMLInputElement).value = String(events[film.length - 1].version);
    drawBursts(film, go);
    for (const id of ['stage', 'controls', 'proof']) byId(id).hidden = false;
    byId('waiting').hidden = true;
    show(film.length - 1);
    document.title = `${byId('heading').textContent} · History · Palimpsest`;
    verify();
  } catch (reason) {
    if (reason instanceof SignedOut) return signIn();
    if (!(reason instanceof NoAnswer)) throw reason;
    const loaded = events.length ? ` ${count(events.length)} events are here; trying again goes on behind them.` : '';
    wait('The connection is lost', `The service does not answer.${loaded}`, 'load-again');
  }
}

/**
 * Fetches what is still missing of the history.
 * @returns {Promise<import('./wire.js').Answer | null>}  a refusal, where there was one
 */
async function loadEvents() {
  /** @type {number | null} */
  let after = events.at(-1)?.version ?? 0;
  while (after !== null) {
    const answer = await wire.call('GET', `/${task}/history?limit=1000&after=${after}`);
    if (!answer.ok) return answer;
    events.push(...answer.body.items);
    after = answer.body.next_after;
    byId('waiting-words').textContent = `${count(events.length)} events`;
  }
  return null;
}

/** @param {import('./wire.js').Answer} refusal */
function refused({ status, problem }) {
  if (status === 404) {
    const words = 'There is no such task, or this token may not see it. Its owner’s may, and one with the scope “audit”.';
    return wait('This history is not here', words, 'other-token');
  }
  wait('The history cannot be read', problem?.detail ?? 'The service refused.', 'load-again');
  if (problem?.type !== '/problems/history-corrupt') return;
  byId('proof').hidden = false;
  verify();
}

/**
 * What is shown where no film is.
 * @param {string} heading
 * @param {string} words
 * @param {string} [way]  the button that leads on
 */
function wait(heading, words, way) {
  byId('waiting').hidden = false;
  byId('waiting-heading').textContent = heading;
  byId('waiting-words').textContent = words;
  for (const id of ['load-again', 'other-token']) byId(id).hidden = id !== way;
}

async function verify() {
  const mark = byId('proof');
  const words = byId('proof-words');
  mark.dataset.verdict = 'asking';
  words.textContent = 'Verifying…';
  byId('proof-problem').hidden = true;
  try {
    const answer = await wire.call('GET', `/${task}/verify`);
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
  byId('sign-in-heading').textContent = film ? 'The token has run out. Paste another one to go on.' : 'Sign in';
  byId('sign-in').classList.toggle('again', !!film);
  byId('sign-in').hidden = false;
  byId('token', HTMLInputElement).focus();
}

byId('sign-in-form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  const wrong = session.signIn(byId('token', HTMLInputElement).value);
  byId('token-error').textContent = wrong;
  if (wrong) return;
  byId('token', HTMLInputElement).value = '';
  byId('sign-in').hidden = true;
  byId('film').focus();
  if (film) verify();
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
  byId('timeline', /** @type {any} */ (SVGElement)).addEventListener(kind, (/** @type {PointerEvent} */ pointer) => {
    if (pointer.buttons & 1) goToPointer(pointer);
  });
}
for (const id of ['from', 'to']) {
  byId(`${id}-here`).addEventListener('click', () => { byId(id, HTMLInputElement).value = String(film?.events[index].version); });
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
offerDifference(wire, task, pause, signIn);
load();
