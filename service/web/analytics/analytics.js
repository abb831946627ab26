// @ts-check
/** The analytics page: the statistics of a period, and the events as they happen. */

import { HttpClient, NoAnswer, SignedOut } from '../autosave/http.js';
import { byId, make } from '../common/dom.js';
import { fieldName } from '../common/field-names.js';
import { count, duration, percent, refusalText } from '../common/format.js';
import { updateHeader } from '../common/header.js';
import { session } from '../common/session.js';
import { SignInForm } from '../common/sign-in.js';
import { bars, perDay, timesPerDay } from './charts.js';
import { Refused, follow } from './follow.js';
import { EventList } from './live.js';
import { fillTable } from './table.js';

/** So many events from before the page was opened are shown at first. */
const EARLIER = 200;
/** The statistics are read again at most this often (milliseconds) while events arrive. */
const REFRESH_EVERY = 3_000;
const DEFAULT_DAYS = 30;
/** The steps from creation to publishing, as the statistics name them. @type {Record<string, string>} */
const STEPS = { created: 'Created', typed: 'Typed', publishable: 'Publishable', published: 'Published' };

const http = new HttpClient('/api/v1', session.source);
const signInForm = new SignInForm('h1');
const live = new EventList();
const from = byId('from', HTMLInputElement);
const to = byId('to', HTMLInputElement);

let stop = new AbortController();
/** The number of the last request for statistics; answers to earlier ones are dropped. */
let lastLoad = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let refresh;

async function enter() {
  stop.abort();
  stop = new AbortController();
  clearTimeout(refresh);
  refresh = undefined;
  updateHeader();
  if (!session.account) return askToSignIn('');
  const mine = stop.signal;
  if (!(await load()) || mine.aborted) return;
  signInForm.hide();
  byId('analytics').hidden = false;
  live.reset(session.scopes.includes('audit'));
  await listen(mine);
}

/** @param {string} error */
function askToSignIn(error) {
  stop.abort();
  clearTimeout(refresh);
  refresh = undefined;
  byId('analytics').hidden = true;
  if (!signInForm.isShown) signInForm.focus();
  signInForm.show('Sign in to analytics', { error });
}

/** @param {number} status */
function refuseToken(status) {
  if (status === 401) askToSignIn('This token is not accepted here, or it has expired. Sign in with another.');
  else if (status === 403) askToSignIn('This token may not see analytics: it has neither the scope “analytics” nor “audit”. Sign in with one that has.');
  else throw new Error(`unexpected status ${status}`);
}

/**
 * Reads and shows the figures of the period.
 * @returns {Promise<boolean>}  whether the token is good for this page
 */
async function load() {
  const mine = ++lastLoad;
  const query = new URLSearchParams(location.search);
  const period = new URLSearchParams();
  for (const name of ['from', 'to']) {
    const day = query.get(name);
    if (day) period.set(name, day);
  }
  try {
    const answer = await http.call('GET', `/statistics?${period}`, { timeout: 20_000 });
    if (mine !== lastLoad) return true;
    if (answer.ok) {
      byId('range-error').textContent = '';
      draw(answer.body);
    } else if (answer.status === 401 || answer.status === 403) {
      refuseToken(answer.status);
      return false;
    } else {
      byId('range-error').textContent = refusalText(answer.problem, 'The statistics cannot be read now.');
    }
  } catch (reason) {
    if (reason instanceof SignedOut) {
      refuseToken(401);
      return false;
    }
    if (!(reason instanceof NoAnswer)) throw reason;
    byId('followed').textContent = 'The service does not answer. These figures are from before.';
    refreshSoon();
  }
  return true;
}

function refreshSoon() {
  refresh ??= setTimeout(async () => {
    refresh = undefined;
    await load();
  }, REFRESH_EVERY);
}

/** @param {AbortSignal} signal */
async function listen(signal) {
  try {
    let last = await lastPosition();
    while (last === null) {
      if (signal.aborted) return;
      live.showState('waiting');
      await new Promise((resolve) => { setTimeout(resolve, REFRESH_EVERY); });
      last = await lastPosition();
    }
    const start = last;
    await follow('/api/v1/events/stream', {
      after: Math.max(0, start - EARLIER),
      token: () => session.token,
      signal,
      onState: (state) => live.showState(state),
      onEvent: (event) => {
        const isNew = event.position > start;
        live.add(event, isNew);
        if (isNew) refreshSoon();
      },
    });
  } catch (reason) {
    if (signal.aborted) return;
    live.showState('refused');
    if (reason instanceof SignedOut) refuseToken(401);
    else if (reason instanceof Refused) refuseToken(reason.status);
    else throw reason;
  }
}

/** The position of the newest event, or null if the service does not answer. */
async function lastPosition() {
  try {
    const answer = await http.call('GET', '/events?limit=1', { timeout: 20_000 });
    if (answer.status === 401 || answer.status === 403) throw new Refused(answer.status);
    return answer.ok ? answer.body.head : null;
  } catch (reason) {
    if (reason instanceof NoAnswer) return null;
    throw reason;
  }
}

/** @param {any} statistics  as `GET /api/v1/statistics` answers */
function draw(statistics) {
  const { total, days } = statistics;
  const names = days.map((/** @type {any} */ day) => day.day);
  const values = (/** @type {string} */ name) => days.map((/** @type {any} */ day) => day[name]);
  const period = `${statistics.from} to ${statistics.to}`;
  byId('followed').textContent = `${period}, as of event ${count(statistics.position)}`;
  if (document.activeElement !== from) from.value = statistics.from;
  if (document.activeElement !== to) to.value = statistics.to;
  markPreset(statistics);

  const time = total.time_to_publish_seconds;
  byId('totals').replaceChildren(...[
    ['Created', count(total.created)],
    ['Published', count(total.published)],
    ['Discarded', count(total.discarded)],
    ['Expired', count(total.expired)],
    ['Edits per draft', total.edits_per_draft === null ? '–' : count(total.edits_per_draft)],
    ['Median to publish', time ? duration(time.median) : '–'],
    ['90 % within', time ? duration(time.p90) : '–'],
  ].map(([name, text]) => make('div', {}, make('dt', {}, name), make('dd', {}, text))));

  perDay(byId('activity-chart'), `Drafts a day, ${period}: ${count(total.created)} created, ${count(total.published)} published.`, names, [
    { name: 'Created', className: 'series-1', values: values('created') },
    { name: 'Published', className: 'series-2', values: values('published') },
  ]);
  perDay(byId('edits-chart'), `Edits a day, ${period}: ${count(total.edits)} in all.`, names,
    [{ name: 'Edits', className: 'series-3', values: values('edits') }], 110);
  const row = (/** @type {any} */ figures) => [figures.day ?? 'Whole period', figures.created, figures.published, figures.published_at_once,
    figures.discarded, figures.expired, figures.edits, figures.edits_per_draft];
  fillTable(byId('activity-table'), `Activity, ${period}`, ['Day', 'Created', 'Published', 'of them at once', 'Discarded', 'Expired', 'Edits', 'Edits per draft'],
    [row(total), ...days.map(row).reverse()]);

  /** @type {[string, number][]} */
  const steps = Object.keys(STEPS).map((name) => [STEPS[name], total.funnel[name]]);
  bars(byId('funnel-chart'), `Of ${count(total.funnel.created)} drafts: ${steps.slice(1).map(([name, value]) => `${count(value)} ${name.toLowerCase()}`).join(', ')}.`, steps, total.funnel.created);
  fillTable(byId('funnel-table'), `From created to published, ${period}`, ['Step', 'Drafts', 'Of those created', 'Of the step before'],
    steps.map(([name, value], number) => [name, value, percent(value, total.funnel.created), number ? percent(value, steps[number - 1][1]) : '–']));

  const left = Object.entries(total.last_field_before_left).map(([field, drafts]) => /** @type {[string, number]} */ ([field === 'none' ? 'Never edited' : fieldName(field), drafts]));
  const sum = left.reduce((before, [, drafts]) => before + drafts, 0);
  bars(byId('left-chart'), `${count(sum)} drafts not published. ${left.slice(0, 3).map(([name, drafts]) => `${name}: ${count(drafts)}`).join(', ')}.`, left, sum);
  fillTable(byId('left-table'), `Where drafts are left, ${period}`, ['Field edited last', 'Drafts', 'Share'], left.map(([name, drafts]) => [name, drafts, percent(drafts, sum)]));

  timesPerDay(byId('time-chart'), time ? `Time to publish, ${period}: median ${duration(time.median)}, 90th percentile ${duration(time.p90)}.` : '', names, values('time_to_publish_seconds'));
  const times = [{ ...total, day: 'Whole period' }, ...days.toReversed()].filter((figures) => figures.time_to_publish_seconds);
  fillTable(byId('time-table'), `Time to publish, ${period}`, ['Day', 'Median', '90th percentile'], times.map(({ day, time_to_publish_seconds: { median, p90 } }) => [
    day, { value: median, text: duration(median) }, { value: p90, text: duration(p90) }]));
}

/** @param {{from: string, to: string}} period */
function markPreset(period) {
  const length = (Date.parse(period.to) - Date.parse(period.from)) / 86_400_000 + 1;
  const followsToday = !new URLSearchParams(location.search).has('to') && period.to === today();
  for (const button of presets()) button.setAttribute('aria-pressed', String(followsToday && Number(button.dataset.days) === length));
}

function presets() {
  return /** @type {NodeListOf<HTMLButtonElement>} */ (byId('range').querySelectorAll('[data-days]'));
}

/** In UTC, as the statistics count. */
function today() {
  return new Date().toISOString().slice(0, 10);
}

/** @param {Record<string, string>} period */
function choose(period) {
  const query = new URLSearchParams(period).toString();
  history.replaceState(history.state, '', query ? `?${query}` : location.pathname);
  load();
}

byId('range').addEventListener('submit', (event) => {
  event.preventDefault();
  choose({ from: from.value, to: to.value });
});
for (const button of presets()) {
  button.addEventListener('click', () => {
    const days = Number(button.dataset.days);
    choose(days === DEFAULT_DAYS ? {} : { from: new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10) });
  });
}
byId('sign-out').addEventListener('click', () => session.signOut());
session.addEventListener('signed-in', enter);
session.addEventListener('signed-out', enter);

enter();
