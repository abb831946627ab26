// @ts-check
/** Follows the event stream over `fetch`, which can send the token as a header, as `EventSource` cannot. */

import { NoAnswer } from './wire.js';

/** The service sends at least a comment every 15 s; after this long without one the connection is dead. */
const SILENCE = 40_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** What the stream answered in the place of events. */
export class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`the stream was refused with ${status}`);
    this.status = status;
  }
}

/**
 * Every event behind a position, across broken connections, until the signal aborts.
 * @param {string} url
 * @param {object} options
 * @param {number} options.after
 * @param {() => string} options.token
 * @param {AbortSignal} options.signal
 * @param {(event: any) => void} options.onEvent
 * @param {(state: 'live' | 'waiting') => void} options.onState
 * @throws {Refused}  401, 403 and other statuses that asking again does not change
 */
export async function follow(url, { after, token, signal, onEvent, onState }) {
  let last = after;
  let wait = FIRST_WAIT;
  const note = (/** @type {any} */ event) => {
    last = event.position;
    wait = FIRST_WAIT;
    onEvent(event);
  };
  while (!signal.aborted) {
    let named = 0;
    try {
      named = await once(url, last, token(), signal, note, () => onState('live'));
    } catch (reason) {
      if (signal.aborted) return;
      if (reason instanceof Refused) throw reason;
      if (!(reason instanceof TypeError || reason instanceof NoAnswer || isAbort(reason))) throw reason;
    }
    if (signal.aborted) return;
    onState('waiting');
    await pause(Math.max(named, wait * (0.75 + Math.random() / 2)), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/**
 * One connection. Returns for how many milliseconds the service asked to wait.
 * @param {string} url
 * @param {number} last
 * @param {string} token
 * @param {AbortSignal} signal
 * @param {(event: any) => void} onEvent
 * @param {() => void} onOpen
 */
async function once(url, last, token, signal, onEvent, onOpen) {
  const silence = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE);
  };
  heard();
  const offline = () => silence.abort();
  addEventListener('offline', offline);
  try {
    const answer = await fetch(url, {
      headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}`, 'Last-Event-ID': String(last) },
      cache: 'no-store',
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (answer.status === 429 || answer.status >= 500) return Number(answer.headers.get('retry-after') ?? 0) * 1000;
    if (!answer.ok) throw new Refused(answer.status);
    // A hotel's login page answers 200 too.
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream') || !answer.body) throw new NoAnswer();
    onOpen();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 0;
      heard();
      const frames = (rest + value).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const data = frame.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n');
        if (data) onEvent(JSON.parse(data));
      }
    }
  } finally {
    clearTimeout(timer);
    removeEventListener('offline', offline);
  }
}

/** @param {unknown} reason */
function isAbort(reason) {
  return reason instanceof DOMException && reason.name === 'AbortError';
}

/**
 * Shorter where the network comes back.
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      removeEventListener('online', over);
      resolve(undefined);
    };
    const timer = setTimeout(over, milliseconds);
    signal.addEventListener('abort', over);
    addEventListener('online', over);
  });
}
