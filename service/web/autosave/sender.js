// @ts-check
/**
 * Sends the changes of one draft: one request at a time in the whole browser, repeated until it is answered. After a
 * version mismatch it merges the newer version first.
 */

import { isWaiting } from './draft-state.js';
import { NoAnswer, Refusal, SignedOut, slugOf } from './http.js';
import { withLock } from './lock.js';
import { mergeRemote, withOwnWrites } from './remote.js';
import { acknowledge, headersOf, nextKey, nextRequest, refuse } from './requests.js';

/** @typedef {import('./draft-state.js').InFlightRequest} InFlightRequest */
/** @typedef {import('./draft-state.js').Acknowledged} Acknowledged */
/** @typedef {import('./http.js').Answer} Answer */

const MAX_REQUEST_TIMEOUT = 120_000;
const COMMAND_ATTEMPTS = 4;
/** Timers are set for no longer than this: browsers fire one of more than 24 days at once. */
const MAX_TIMER = 3_600_000;

export class Sender {
  /** Set while the person is typing: what is typed is not sent yet. */
  holdBack = false;
  #id;
  #shared;
  #http;
  #options;
  #lockName;
  /** Why the service may have a newer version, which has to be fetched first. @type {null | 'poll' | 'refusal' | 'mismatch'} */
  #stale = null;
  /** The `current_version` of the last version mismatch. */
  #mismatchVersion = 0;
  #signedOut = false;
  #sending = false;
  #closed = false;
  #pumpAgain = false;
  /** @type {Promise<void> | null} */
  #pumping = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wake;

  /**
   * @param {string} id
   * @param {import('./shared.js').SharedDraft} shared
   * @param {import('./http.js').HttpClient} http
   * @param {{fields: Record<string, import('./fields.js').Field>, timeout: number, backoff: number,
   *   longestBackoff: number}} options
   * @param {string} lockName  of the Web Lock that only one tab holds
   */
  constructor(id, shared, http, options, lockName) {
    this.#id = id;
    this.#shared = shared;
    this.#http = http;
    this.#options = options;
    this.#lockName = lockName;
  }

  /** Sends until nothing more can be sent now. A call meanwhile makes it look again at the end. */
  pump() {
    this.#pumpAgain = true;
    this.#pumping ??= withLock(this.#lockName, async () => {
      try {
        while (this.#pumpAgain) {
          this.#pumpAgain = false;
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

  /** Does not wait for the next attempt's time, unless the service has asked for it. */
  async retry() {
    this.#signedOut = false;
    await this.#shared.change((record) => record.failure
      ? { ...record, failure: { ...record.failure, retryAt: record.failure.notBefore } } : record);
    await this.flush();
  }

  /** Fetches others' changes first. */
  refresh() {
    this.#stale ??= 'poll';
    return this.flush();
  }

  /**
   * Sends what waits while the page is being closed: without storage and lock, for which there is no time. The next
   * attempt uses the same key.
   */
  sendOnClose() {
    const { record, values } = this.#shared;
    const { failure } = record;
    if (this.#sending || record.stopped || (failure && isWaiting(failure, failure.notBefore))) return;
    const request = record.inFlight ?? nextRequest(this.#id, record, values, this.#options.fields);
    if (request) this.#http.sendAndForget(request.method, request.path, { body: request.body, headers: headersOf(request) });
  }

  /**
   * A request that is not a save, in line with the saves.
   * @param {string} method
   * @param {string} path  below the task
   * @param {unknown} body
   * @param {(() => void)} check  throws if the command must not be sent in the present state
   * @param {boolean} retryMismatch  send it again after a version mismatch
   * @returns {Promise<any>}  the answer's body
   */
  command(method, path, body, check, retryMismatch) {
    return withLock(this.#lockName, async () => {
      while (await this.#step(true));
      check();
      let answer = await this.#sendCommand(method, path, body);
      if (answer.status === 412) {
        this.#mismatch(answer.problem);
        while (await this.#step());
        if (retryMismatch) answer = await this.#sendCommand(method, path, body);
      }
      if (!answer.ok) throw answer.problem ? new Refusal(answer.problem) : new NoAnswer(`status ${answer.status}`);
      if (answer.version !== null && answer.body?.id === this.#id) await this.#mergeAnswer(answer.version, answer.body);
      return answer.body;
    });
  }

  /**
   * @param {number | null} [known]  a version that is known already
   * @returns {Promise<Acknowledged | null>}  null if that is still the newest
   */
  async fetchTask(known = null) {
    const timeout = this.#timeout();
    const headers = known ? { 'If-None-Match': `"${known}"` } : undefined;
    const answer = await this.#http.call('GET', `/${this.#id}`, { headers, timeout });
    if (answer.status === 304) return null;
    if (!answer.ok || answer.version === null) throw new UnexpectedAnswer(answer);
    const transcript = await this.#http.call('GET', `/${this.#id}/transcript`, { timeout });
    if (!transcript.ok && transcript.problem?.status !== 404) throw new UnexpectedAnswer(transcript);
    return { version: answer.version, task: answer.body, transcript: transcript.ok ? transcript.body.text : '' };
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#wake);
  }

  /**
   * One request and what follows from its answer.
   * @param {boolean} [create]  the draft, even if nothing was typed
   * @returns {Promise<boolean>}  whether there may be more to send at once
   */
  async #step(create = false) {
    const { fields } = this.#options;
    let record = await this.#shared.sync();
    const { failure } = record;
    const otherTabSignedOut = failure?.status === 401 && !this.#signedOut;
    if (failure && isWaiting(failure, failure.retryAt) && !otherTabSignedOut) {
      this.#wakeAt(failure.retryAt);
      return false;
    }
    try {
      if (record.inFlight) return await this.#deliver(record.inFlight);
      if (this.#stale) return await this.#catchUp(this.#stale);
      if (record.stopped || this.holdBack) return false;
      const next = nextRequest(this.#id, record, record.local, fields, create);
      if (!next) return false;
      record = await this.#shared.change((latest) => ({ ...latest, inFlight: next, count: latest.count + 1 }));
      return true;
    } catch (reason) {
      await this.#fail(reason);
      return false;
    }
  }

  /** @param {InFlightRequest} request */
  async #deliver(request) {
    const { fields } = this.#options;
    const answer = await this.#send(request);
    const { version, body: task, problem } = answer;
    if (answer.ok && task && version !== null) {
      await this.#shared.change((record) => acknowledge(record, request, { version, task, now: Date.now() }));
      return true;
    }
    if (!problem || isTemporary(answer)) throw new UnexpectedAnswer(answer);
    const slug = slugOf(problem);
    if (slug === 'version-mismatch') this.#mismatch(problem);
    else if (['idempotency-key-reused', 'already-exists', 'not-a-draft'].includes(slug)) this.#stale = 'refusal';
    await this.#shared.change((record) => {
      if (!this.#stale && [400, 413, 415, 422].includes(answer.status)) return refuse(record, request, problem, fields);
      const stopped = this.#stale && slug !== 'not-a-draft' ? record.stopped : problem;
      return { ...record, inFlight: null, stopped };
    });
    return true;
  }

  /**
   * Fetches the newest version and merges it.
   * @param {'poll' | 'refusal' | 'mismatch'} reason
   */
  async #catchUp(reason) {
    const { fields } = this.#options;
    const { base } = this.#shared.record;
    const theirs = await this.fetchTask(reason === 'poll' ? base.version : null);
    if (theirs && reason === 'mismatch' && (theirs.version < this.#mismatchVersion || theirs.version === base.version)) {
      throw new NoAnswer('an older version than the one just named');
    }
    const newer = theirs && (reason !== 'poll' || theirs.version >= base.version) ? theirs : null;
    const ancestor = newer && newer.version > base.version ? await this.#ancestor() : base;
    await this.#shared.change((record) => newer ? mergeRemote(record, ancestor, newer, fields) : withoutFailure(record));
    this.#stale = null;
    return true;
  }

  /** @param {import('./http.js').Problem | null} problem */
  #mismatch(problem) {
    this.#stale = 'mismatch';
    this.#mismatchVersion = problem?.current_version ?? 0;
  }

  /** What both sides started from: includes newer versions that this device made and whose answers were lost. */
  async #ancestor() {
    const { record } = this.#shared;
    if (!record.open) return record.base;
    const path = `/${this.#id}/history?after=${record.base.version}`;
    const answer = await this.#http.call('GET', path, { timeout: this.#timeout() });
    if (!answer.ok) throw new UnexpectedAnswer(answer);
    return withOwnWrites(record, answer.body.items);
  }

  /** @param {InFlightRequest} request */
  async #send({ method, path, body, ...rest }) {
    this.#sending = true;
    try {
      return await this.#http.call(method, path, { body, headers: headersOf(rest), timeout: this.#timeout() });
    } finally {
      this.#sending = false;
    }
  }

  /**
   * A few attempts under one key, while the person waits.
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   */
  async #sendCommand(method, path, body) {
    let key = '';
    const { base } = await this.#shared.change((record) => {
      key = nextKey(record);
      return { ...record, count: record.count + 1 };
    });
    const request = { key, method, path: `/${this.#id}${path}`, body, version: base.version };
    for (let attempt = 1; ; attempt++) {
      let retryAfter = null;
      try {
        const answer = await this.#send(request);
        if (attempt === COMMAND_ATTEMPTS || !isTemporary(answer)) return answer;
        ({ retryAfter } = answer);
      } catch (reason) {
        if (attempt === COMMAND_ATTEMPTS || !(reason instanceof NoAnswer)) throw reason;
      }
      const delay = this.#delay(attempt, retryAfter);
      await new Promise((resolve) => { setTimeout(resolve, delay); });
    }
  }

  /**
   * @param {number} version
   * @param {Record<string, any>} task
   */
  #mergeAnswer(version, task) {
    return this.#shared.change((record) => {
      const theirs = { version, task, transcript: record.base.transcript };
      return { ...mergeRemote(record, record.base, theirs, this.#options.fields), savedAt: Date.now() };
    });
  }

  /** @param {unknown} reason */
  async #fail(reason) {
    const answer = reason instanceof UnexpectedAnswer ? reason.answer : null;
    const signedOut = reason instanceof SignedOut;
    this.#signedOut = signedOut;
    if (answer?.problem && !isTemporary(answer)) {
      const { problem } = answer;
      this.#stale = null;
      await this.#shared.change((record) => ({ ...record, stopped: problem }));
      return;
    }
    if (!(answer || signedOut || reason instanceof NoAnswer)) throw reason;
    const attempts = (this.#shared.record.failure?.attempts ?? 0) + 1;
    const now = Date.now();
    const retryAt = signedOut ? Infinity : now + this.#delay(attempts, answer?.retryAfter);
    /** @type {import('./draft-state.js').Failure} */
    const failure = {
      kind: answer || signedOut ? 'error' : 'offline',
      status: signedOut ? 401 : answer?.status ?? 0,
      detail: answer?.problem?.detail ?? (/** @type {Error} */ (reason).message),
      attempts,
      since: now,
      retryAt,
      notBefore: now + (answer?.retryAfter ?? 0),
    };
    await this.#shared.change((record) => ({ ...record, failure }));
    this.#wakeAt(retryAt);
  }

  /** @param {number} time */
  #wakeAt(time) {
    clearTimeout(this.#wake);
    if (time === Infinity || this.#closed) return;
    this.#wake = setTimeout(() => this.pump(), Math.min(MAX_TIMER, Math.max(0, time - Date.now()) + 1));
  }

  /**
   * Exponential with jitter, so that many clients do not retry together; never sooner than the service asks.
   * @param {number} attempts
   * @param {number | null} [retryAfter]
   */
  #delay(attempts, retryAfter) {
    const { backoff, longestBackoff } = this.#options;
    const ceiling = Math.min(longestBackoff, backoff * 2 ** (attempts - 1));
    return (retryAfter ?? 0) + ceiling * (0.5 + Math.random() / 2);
  }

  /** Grows with each attempt, so that a slow service can answer in the end. */
  #timeout() {
    return Math.min(MAX_REQUEST_TIMEOUT, this.#options.timeout * 2 ** (this.#shared.record.failure?.attempts ?? 0));
  }
}

/** An answer that is neither what the request needs nor a refusal of it. */
export class UnexpectedAnswer extends NoAnswer {
  /** @param {Answer} answer */
  constructor(answer) {
    super(answer.problem?.title ?? `status ${answer.status}`);
    this.answer = answer;
  }
}

/** @param {import('./draft-state.js').DraftRecord} record */
function withoutFailure(record) {
  return record.failure ? { ...record, failure: null } : record;
}

/** Whether the same request may succeed later. @param {Answer} answer */
export function isTemporary({ status }) {
  return status >= 500 || status === 429 || status === 408;
}
