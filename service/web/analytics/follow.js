// @ts-check
/** Follows the event stream over `fetch`, which can send the token as a header, as `EventSource` cannot. */

import { NoAnswer } from '../autosave/http.js';

/** The service sends at least a comment every 15 s; after this time (milliseconds) without one the connection is dead. */
const READ_TIMEOUT = 40_000;
const FIRST_BACKOFF = 1_000;
const MAX_BACKOFF = 30_000;

/** The stream was refused with a status. */
export class Refused extends Error {
  /** @param {number} status */
  constructor(status) {
    super(`the stream was refused with ${status}`);
    this.status = status;
  }
}

/**
 * Delivers every event after a position, also across broken connections, until the signal aborts.
 * @param {string} url
 * @param {object} options
 * @param {number} options.after
 * @param {() => string} options.token
 * @param {AbortSignal} options.signal
 * @param {(event: any) => void} options.onEvent
 * @param {(state: 'live' | 'waiting') => void} options.onState
 * @throws {Refused}  401, 403 and other statuses for which a retry is useless
 */
export async function follow(url, { after, token, signal, onEvent, onState }) {
  let last = after;
  let backoff = FIRST_BACKOFF;
  const deliver = (/** @type {any} */ event) => {
    last = event.position;
    backoff = FIRST_BACKOFF;
    onEvent(event);
  };
  while (!signal.aborted) {
    let retryAfter = 0;
    try {
      retryAfter = await readStream(url, last, token(), signal, deliver, () => onState('live'));
    } catch (reason) {
      if (signal.aborted) return;
      if (reason instanceof Refused) throw reason;
      if (!(reason instanceof TypeError || reason instanceof NoAnswer || isAbort(reason))) throw reason;
    }
    if (signal.aborted) return;
    onState('waiting');
    await pause(Math.max(retryAfter, backoff * (0.75 + Math.random() / 2)), signal);
    backoff = Math.min(backoff * 2, MAX_BACKOFF);
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
async function readStream(url, last, token, signal, onEvent, onOpen) {
  const dead = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const restartTimer = () => {
    clearTimeout(timer);
    timer = setTimeout(() => dead.abort(), READ_TIMEOUT);
  };
  restartTimer();
  const offline = () => dead.abort();
  addEventListener('offline', offline);
  try {
    const answer = await fetch(url, {
      headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}`, 'Last-Event-ID': String(last) },
      cache: 'no-store',
      signal: AbortSignal.any([signal, dead.signal]),
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
      restartTimer();
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
 * Waits, but no longer than until the network is back.
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
