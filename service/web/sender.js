// @ts-check
/**
 * Talks to the service about one draft: one request at a time for the whole browser, the same one again until it is
 * answered, and after a refusal for its version a merge with what somebody else wrote.
 */

import { absorbed, acknowledged, isWaiting, nextFlight, nextKey, refused, withOwnWrites } from './record.js';
import { NoAnswer, Refusal, SignedOut, slugOf } from './wire.js';

/** @typedef {import('./record.js').Flight} Flight */
/** @typedef {import('./record.js').Acknowledged} Acknowledged */
/** @typedef {import('./wire.js').Answer} Answer */

const LONGEST_TIMEOUT = 120_000;
/** A tab that keeps the others waiting this long is taken to be frozen. */
const LONGEST_TURN = 60_000;
const COMMAND_ATTEMPTS = 4;
/** No timer is set for later than this, which a browser would take for at once. */
const LONGEST_SLEEP = 3_600_000;

export class Sender {
  /** Set while the person is typing: what is typed can wait. */
  holdBack = false;
  #id;
  #shared;
  #wire;
  #options;
  #place;
  /** Whether the service may have a newer version, and why that is thought. @type {null | 'poll' | 'refusal' | 'mismatch'} */
  #stale = null;
  /** What the service called its current version when it refused. */
  #named = 0;
  #signedOut = false;
  #fetching = false;
  #closed = false;
  #again = false;
  /** @type {Promise<void> | null} */
  #pumping = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;

  /**
   * @param {string} id
   * @param {import('./shared.js').SharedDraft} shared
   * @param {import('./wire.js').Wire} wire
   * @param {{fields: Record<string, import('./record.js').Field>, timeout: number, backoff: number,
   *   longestBackoff: number}} options
   * @param {string} place  name of the lock that only one tab holds
   */
  constructor(id, shared, wire, options, place) {
    this.#id = id;
    this.#shared = shared;
    this.#wire = wire;
    this.#options = options;
    this.#place = place;
  }

  /** Sends until nothing more can be done now. Called while it does, it looks again at the end. */
  pump() {
    this.#again = true;
    this.#pumping ??= this.#turn(async () => {
      try {
        while (this.#again) {
          this.#again = false;
          while (!this.#closed && await this.#step());
        }
      } finally {
        this.#pumping = null;
      }
    });
    return this.#pumping;
  }

  /** Everything up to this call has been tried once when it resolves. */
  async flush() {
    await this.#pumping;
    await this.pump();
  }

  /** Takes nothing that went wrong before as a reason to wait, but the service's own wish. */
  async retry() {
    this.#signedOut = false;
    await this.#shared.change((record) => record.trouble
      ? { ...record, trouble: { ...record.trouble, retryAt: record.trouble.notBefore } } : record);
    await this.flush();
  }

  /** Asks for others' changes first. */
  refresh() {
    this.#stale ??= 'poll';
    return this.flush();
  }

  /** For a page that goes: no time for storage or a turn. The key is the one that the next attempt will use too. */
  leave() {
    const { record, values } = this.#shared;
    if (this.#fetching || record.stopped || (record.trouble && isWaiting(record.trouble, record.trouble.notBefore))) return;
    const request = record.flight ?? nextFlight(this.#id, record, values, this.#options.fields);
    if (request) this.#wire.post(request.method, request.path, { body: request.body, headers: headersOf(request) });
  }

  /**
   * A request that is not a save, in line with the saves.
   * @param {string} method
   * @param {string} path  below the task
   * @param {unknown} body
   * @param {(() => void)} ready  throws where the command may not be carried out as things stand
   * @param {boolean} insist      also after somebody else's change came in between
   * @returns {Promise<any>}      the answer's body
   */
  command(method, path, body, ready, insist) {
    return this.#turn(async () => {
      while (await this.#step(true));
      ready();
      let answer = await this.#carryOut(method, path, body);
      if (answer.status === 412) {
        this.#mismatch(answer.problem);
        while (await this.#step());
        if (insist) answer = await this.#carryOut(method, path, body);
      }
      if (!answer.ok) throw answer.problem ? new Refusal(answer.problem) : new NoAnswer(`status ${answer.status}`);
      if (answer.version !== null && answer.body?.id === this.#id) await this.#accept(answer.version, answer.body);
      return answer.body;
    });
  }

  /**
   * @param {number | null} [known]  the version of which no more has to be told
   * @returns {Promise<Acknowledged | null>}  null where that is still the newest
   */
  async fetchTask(known = null) {
    const timeout = this.#timeout();
    const headers = known ? { 'If-None-Match': `"${known}"` } : undefined;
    const answer = await this.#wire.call('GET', `/${this.#id}`, { headers, timeout });
    if (answer.status === 304) return null;
    if (!answer.ok || answer.version === null) throw new Unwilling(answer);
    const transcript = await this.#wire.call('GET', `/${this.#id}/transcript`, { timeout });
    if (!transcript.ok && transcript.problem?.status !== 404) throw new Unwilling(transcript);
    return { version: answer.version, task: answer.body, transcript: transcript.ok ? transcript.body.text : '' };
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#wake);
  }

  /**
   * One tab of the browser at a time.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #turn(work) {
    if (!navigator.locks) return inTurn(this.#place, work);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), LONGEST_TURN);
    /** @type {Promise<T> | undefined} */
    let result;
    const begin = () => {
      clearTimeout(timer);
      result = work();
      return result;
    };
    try {
      return await navigator.locks.request(this.#place, { signal: patience.signal }, begin);
    } catch (reason) {
      if (result) return result;
      if (!patience.signal.aborted) throw reason;
      // Two at a time for a moment are safe: both would send the same request under the same key.
      return navigator.locks.request(this.#place, { steal: true }, begin);
    }
  }

  /**
   * One request and what follows from its answer.
   * @param {boolean} [create]  the draft, even if nothing was typed
   * @returns {Promise<boolean>}  whether there may be more to do at once
   */
  async #step(create = false) {
    const { fields } = this.#options;
    let record = await this.#shared.sync();
    const { trouble } = record;
    const othersSignIn = trouble?.status === 401 && !this.#signedOut;
    if (trouble && isWaiting(trouble, trouble.retryAt) && !othersSignIn) {
      this.#wakeAt(trouble.retryAt);
      return false;
    }
    try {
      if (record.flight) return await this.#deliver(record.flight);
      if (this.#stale) return await this.#catchUp(this.#stale);
      if (record.stopped || this.holdBack) return false;
      const next = nextFlight(this.#id, record, record.local, fields, create);
      if (!next) return false;
      record = await this.#shared.change((latest) => ({ ...latest, flight: next, count: latest.count + 1 }));
      return true;
    } catch (reason) {
      await this.#fail(reason);
      return false;
    }
  }

  /** @param {Flight} flight */
  async #deliver(flight) {
    const { fields } = this.#options;
    const answer = await this.#send(flight);
    const { version, body: task, problem } = answer;
    if (answer.ok && task && version !== null) {
      await this.#shared.change((record) => acknowledged(record, flight, { version, task, now: Date.now() }));
      return true;
    }
    if (!problem || isPassing(answer)) throw new Unwilling(answer);
    const slug = slugOf(problem);
    if (slug === 'version-mismatch') this.#mismatch(problem);
    else if (['idempotency-key-reused', 'already-exists', 'not-a-draft'].includes(slug)) this.#stale = 'refusal';
    await this.#shared.change((record) => {
      if (!this.#stale && [400, 413, 415, 422].includes(answer.status)) return refused(record, flight, problem, fields);
      const stopped = this.#stale && slug !== 'not-a-draft' ? record.stopped : problem;
      return { ...record, flight: null, stopped };
    });
    return true;
  }

  /**
   * Fetches a version that somebody else made and merges it.
   * @param {'poll' | 'refusal' | 'mismatch'} reason
   */
  async #catchUp(reason) {
    const { fields } = this.#options;
    const { base } = this.#shared.record;
    const theirs = await this.fetchTask(reason === 'poll' ? base.version : null);
    if (theirs && reason === 'mismatch' && (theirs.version < this.#named || theirs.version === base.version)) {
      throw new NoAnswer('another version than the one just named');
    }
    const news = theirs && (reason !== 'poll' || theirs.version >= base.version) ? theirs : null;
    const ancestor = news && news.version > base.version ? await this.#ancestor() : base;
    await this.#shared.change((record) => news ? absorbed(calm(record), ancestor, news, fields) : calm(record));
    this.#stale = null;
    return true;
  }

  /** @param {import('./wire.js').Problem | null} problem */
  #mismatch(problem) {
    this.#stale = 'mismatch';
    this.#named = problem?.current_version ?? 0;
  }

  /** What both sides started from: was it this device that made newer versions, its answers lost on the way? */
  async #ancestor() {
    const { record } = this.#shared;
    if (!record.open) return record.base;
    const path = `/${this.#id}/history?after=${record.base.version}`;
    const answer = await this.#wire.call('GET', path, { timeout: this.#timeout() });
    if (!answer.ok) throw new Unwilling(answer);
    return withOwnWrites(record, answer.body.items);
  }

  /** @param {Flight} flight */
  async #send({ method, path, body, ...rest }) {
    this.#fetching = true;
    try {
      return await this.#wire.call(method, path, { body, headers: headersOf(rest), timeout: this.#timeout() });
    } finally {
      this.#fetching = false;
    }
  }

  /**
   * A few attempts under one key; the person waits.
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   */
  async #carryOut(method, path, body) {
    let key = '';
    const { base } = await this.#shared.change((record) => {
      key = nextKey(record);
      return { ...record, count: record.count + 1 };
    });
    const flight = { key, method, path: `/${this.#id}${path}`, body, version: base.version };
    for (let attempt = 1; ; attempt++) {
      let wish = null;
      try {
        const answer = await this.#send(flight);
        if (attempt === COMMAND_ATTEMPTS || !isPassing(answer)) return answer;
        wish = answer.retryAfter;
      } catch (reason) {
        if (attempt === COMMAND_ATTEMPTS || !(reason instanceof NoAnswer)) throw reason;
      }
      const delay = this.#delay(attempt, wish);
      await new Promise((resolve) => { setTimeout(resolve, delay); });
    }
  }

  /**
   * @param {number} version
   * @param {Record<string, any>} task
   */
  #accept(version, task) {
    return this.#shared.change((record) => {
      const theirs = { version, task, transcript: record.base.transcript };
      return { ...absorbed(record, record.base, theirs, this.#options.fields), savedAt: Date.now() };
    });
  }

  /** @param {unknown} reason */
  async #fail(reason) {
    const answer = reason instanceof Unwilling ? reason.answer : null;
    const signedOut = reason instanceof SignedOut;
    this.#signedOut = signedOut;
    if (answer?.problem && !isPassing(answer)) {
      const { problem } = answer;
      this.#stale = null;
      await this.#shared.change((record) => ({ ...record, stopped: problem }));
      return;
    }
    if (!(answer || signedOut || reason instanceof NoAnswer)) throw reason;
    const attempts = (this.#shared.record.trouble?.attempts ?? 0) + 1;
    const now = Date.now();
    const retryAt = signedOut ? Infinity : now + this.#delay(attempts, answer?.retryAfter);
    /** @type {import('./record.js').Trouble} */
    const trouble = {
      kind: answer || signedOut ? 'error' : 'offline',
      status: signedOut ? 401 : answer?.status ?? 0,
      detail: answer?.problem?.detail ?? (/** @type {Error} */ (reason).message),
      attempts,
      since: now,
      retryAt,
      notBefore: now + (answer?.retryAfter ?? 0),
    };
    await this.#shared.change((record) => ({ ...record, trouble }));
    this.#wakeAt(retryAt);
  }

  /** @param {number} time */
  #wakeAt(time) {
    clearTimeout(this.#wake);
    if (time === Infinity || this.#closed) return;
    this.#wake = setTimeout(() => this.pump(), Math.min(LONGEST_SLEEP, Math.max(0, time - Date.now()) + 1));
  }

  /**
   * Exponential with jitter, so that a thousand clients do not come back together; never sooner than the service asks.
   * @param {number} attempts
   * @param {number | null} [retryAfter]
   */
  #delay(attempts, retryAfter) {
    const { backoff, longestBackoff } = this.#options;
    const ceiling = Math.min(longestBackoff, backoff * 2 ** (attempts - 1));
    return (retryAfter ?? 0) + ceiling * (0.5 + Math.random() / 2);
  }

  /** A slow service gets more time with each attempt, or it would never be heard. */
  #timeout() {
    return Math.min(LONGEST_TIMEOUT, this.#options.timeout * 2 ** (this.#shared.record.trouble?.attempts ?? 0));
  }
}

/** An answer of another kind than the request needs. */
export class Unwilling extends NoAnswer {
  /** @param {Answer} answer */
  constructor(answer) {
    super(answer.problem?.title ?? `status ${answer.status}`);
    this.answer = answer;
  }
}

/** @param {import('./record.js').DraftRecord} record */
function calm(record) {
  return record.trouble ? { ...record, trouble: null } : record;
}

/** Whether the same request may well succeed later. @param {Answer} answer */
export function isPassing({ status }) {
  return status >= 500 || status === 429 || status === 408;
}

/** @param {{key: string, version: number}} flight */
function headersOf({ key, version }) {
  return { 'Idempotency-Key': key, ...(version ? { 'If-Match': `"${version}"` } : {}) };
}

/** @type {Map<string, Promise<any>>} */
const turns = new Map();

/**
 * Web Locks are missing where a page is not served securely: then this tab at least keeps its own order.
 * @template T
 * @param {string} place
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
function inTurn(place, work) {
  const turn = (turns.get(place) ?? Promise.resolve()).then(work);
  turns.set(place, turn.catch(() => {}));
  return turn;
}
