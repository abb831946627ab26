// @ts-check
/** The page `/replay/{task_id}`: loads a history and plays it. */

import { byId } from './elements.js';
import { offerDifference } from './film-difference.js';
import { draw, drawBursts, markBurst, sentence } from './film-picture.js';
import { Film } from './film.js';
import { session } from './session.js';
import { NoAnswer, SignedOut, Wire } from './wire.js';

const task = location.pathname.split('/').at(-1) ?? '';
const wire = new Wire('/api/v1/tasks', session.source);
const scrub = byId('scrub', HTMLInputElement);
const STOPS = 'input, textarea, select, button, a, summary';

/** @type {Film | null} */
let film = null;
let index = 0;
/** Where the film stands while it plays, in milliseconds of its clock. */
let time = 0;
/** @type {number | null} */
let playing = null;

/** Shows the event at an index, and says so to those who do not see it, unless the film plays. @param {number} wanted */
function show(wanted) {
  if (!film) return;
  index = Math.max(0, Math.min(film.length - 1, wanted));
  const frame = film.at(index);
  draw(film, frame, byId('blame', HTMLInputElement).checked);
  markBurst(film.burstAt(index));
  scrub.value = String(index + 1);
  scrub.setAttribute('aria-valuetext', sentence(film, frame));
  document.documentElement.dataset.version = String(frame.event.version);
  if (playing === null) {
    time = film.clock[index];
    byId('announcement').textContent = document.activeElement === scrub ? '' : sentence(film, frame);
  }
}

function play() {
  if (!film) return;
  if (index === film.length - 1) index = 0;
  time = film.clock[index];
  let before = performance.now();
  /** @param {number} now */
  const turn = (now) => {
    if (!film) return;
    time += (now - before) * Number(byId('speed', HTMLSelectElement).value);
    before = now;
    const reached = film.indexAt(time);
    if (reached !== index) show(reached);
    if (reached === film.length - 1) pause();
    else playing = requestAnimationFrame(turn);
  };
  playing = requestAnimationFrame(turn);
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

async function load() {
  const answers = byId('waiting');
  try {
    const events = await history();
    film = new Film(events);
    scrub.max = String(film.length);
    byId('from', HTMLInputElement).value = '1';
    byId('to', HTMLInputElement).value = String(film.length);
    drawBursts(film, go);
    for (const id of ['stage', 'controls', 'proof']) byId(id).hidden = false;
    answers.hidden = true;
    show(film.length - 1);
    verify();
  } catch (reason) {
    if (reason instanceof SignedOut) return signIn();
    byId('waiting-heading').textContent = 'The history is not here';
    byId('waiting-words').textContent = reason instanceof NoAnswer ? 'The service does not answer.' : /** @type {Error} */ (reason).message;
    byId('load-again').hidden = false;
  }
}

/** @returns {Promise<import('./film.js').Envelope[]>} */
async function history() {
  const events = [];
  /** @type {number | null} */
  let after = 0;
  while (after !== null) {
    const answer = await wire.call('GET', `/${task}/history?limit=1000&after=${after}`);
    if (!answer.ok) throw new Error(answer.problem?.detail ?? 'The service refused.');
    events.push(...answer.body.items);
    after = answer.body.next_after;
    byId('waiting-words').textContent = `${events.length.toLocaleString('en')} events`;
  }
  return events;
}

async function verify() {
  const mark = byId('proof');
  const words = byId('proof-words');
  mark.dataset.verdict = 'asking';
  words.textContent = 'Verifying…';
  try {
    const answer = await wire.call('GET', `/${task}/verify`);
    if (!answer.ok) throw new NoAnswer();
    const { ok, events, problem } = answer.body;
    mark.dataset.verdict = ok ? 'whole' : 'broken';
    words.textContent = ok ? `Verified: ${events.toLocaleString('en')} events` : `Broken at version ${problem.version}`;
    mark.title = ok ? 'Chain, head and replay agree. Click to verify again.' : problem.message;
  } catch (reason) {
    mark.dataset.verdict = 'unknown';
    words.textContent = 'Not verified';
    if (reason instanceof SignedOut) signIn();
  }
}

function signIn() {
  byId('waiting').hidden = true;
  byId('sign-in').hidden = false;
  byId('token', HTMLInputElement).focus();
}

byId('sign-in-form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  const wrong = session.signIn(byId('token', HTMLInputElement).value);
  byId('token-error').textContent = wrong;
  if (wrong) return;
  byId('sign-in').hidden = true;
  byId('waiting').hidden = !!film;
  byId('film').focus();
  if (!film) load();
});

byId('load-again').addEventListener('click', () => location.reload());
byId('proof').addEventListener('click', verify);
byId('play').addEventListener('click', () => { if (playing === null) play(); else pause(); });
byId('back').addEventListener('click', () => go(index - 1));
byId('forward').addEventListener('click', () => go(index + 1));
byId('burst-back').addEventListener('click', () => goByBurst(-1));
byId('burst-forward').addEventListener('click', () => goByBurst(1));
byId('blame').addEventListener('change', () => show(index));
scrub.addEventListener('input', () => go(Number(scrub.value) - 1));

addEventListener('keydown', (pressed) => {
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || byId('stage').hidden) return;
  const on = /** @type {Element} */ (pressed.target);
  if (pressed.key === 'k' && !on.matches('input:not([type="range"], [type="checkbox"]), select')) byId('play').click();
  else if (on.matches(STOPS)) return;
  else if (pressed.key === ' ') byId('play').click();
  else if (pressed.key === 'ArrowLeft') pressed.shiftKey ? goByBurst(-1) : go(index - 1);
  else if (pressed.key === 'ArrowRight') pressed.shiftKey ? goByBurst(1) : go(index + 1);
  else if (pressed.key === 'Home') go(0);
  else if (pressed.key === 'End') go(Infinity);
  else return;
  pressed.preventDefault();
});

offerDifference(wire, task, signIn);
load();
