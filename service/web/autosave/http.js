// @ts-check
/**
 * Sends one request to the service and reads its answer. Whether to retry is the caller's decision.
 * An answer counts only if the service itself gave it: a hotel's login page with status 200 acknowledges nothing.
 */

/** @typedef {{pointer: string, code: string, message: string, limit?: number, actual?: number}} FieldError */

/**
 * @typedef {object} Problem  RFC 9457; docs/api.md, Errors
 * @property {string} type
 * @property {string} title
 * @property {number} status
 * @property {string} [detail]
 * @property {FieldError[]} [errors]
 * @property {number} [current_version]
 * @property {string[]} [changed_fields]
 */

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {boolean} ok
 * @property {number | null} version     of the task, from X-Task-Version or the ETag
 * @property {any} body
 * @property {Problem | null} problem    set when the service refused
 * @property {number | null} retryAfter  milliseconds, where the service names a time
 */

/**
 * @typedef {(options: {refresh: boolean}) => Promise<string> | string} TokenSource
 * `refresh`: the last token is expired or was refused; get another, or throw if only the person can. A `TypeError`,
 * which `fetch` throws without a network, or `NoAnswer` means: retry later.
 */

/** No answer of the service: no network, a broken connection, a timeout, or a page that the service did not send. */
export class NoAnswer extends Error {}

/** The token was refused, and there is no other. */
export class SignedOut extends Error {}

/** The service has refused the request for good. `slug` is the last part of the problem's type. */
export class Refusal extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
    this.slug = slugOf(problem);
  }
}

/** Browsers allow 64 KiB in all for requests that outlive the page; two have to fit. */
const KEEPALIVE_BYTES = 30 * 1024;
/** A token that expires within this time (milliseconds) is renewed before the request. */
const EXPIRY_MARGIN = 30_000;
/** Milliseconds for the token source, unless the call has a timeout of its own. */
const TOKEN_TIMEOUT = 20_000;

export class HttpClient {
  #url;
  #tokenSource;
  #token = '';

  /**
   * @param {string} url  what paths are appended to, such as `/api/v1/tasks`
   * @param {TokenSource} token
   */
  constructor(url, token) {
    this.#url = url;
    this.#tokenSource = token;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>, timeout?: number}} [options]  timeout in milliseconds
   * @returns {Promise<Answer>}  also of a refusal
   * @throws {NoAnswer | SignedOut}
   */
  async call(method, path, options = {}) {
    await this.#renewToken(options.timeout);
    let answer = await this.#fetch(method, path, options);
    if (answer.status === 401) {
      await this.#fetchToken(true, options.timeout);
      answer = await this.#fetch(method, path, options);
      if (answer.status === 401) throw new SignedOut(answer.problem?.detail);
    }
    return answer;
  }

  /**
   * Sends at once, with the last token, and does not wait for the answer: for a page that is being closed.
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>}} options
   */
  sendAndForget(method, path, options) {
    if (this.#token) this.#fetch(method, path, options).catch(() => {});
  }

  /** @param {number} [timeout] */
  async #renewToken(timeout) {
    await this.#fetchToken(false, timeout);
    if (expiresAt(this.#token) - EXPIRY_MARGIN > Date.now()) return;
    // This device's clock may be wrong: only a 401 of the service decides that the old token is expired.
    await this.#fetchToken(true, timeout).catch(() => {});
  }

  /**
   * A TypeError of `fetch` means that the source of tokens cannot be reached now, like the service.
   * @param {boolean} refresh
   * @param {number} [timeout]
   */
  async #fetchToken(refresh, timeout = TOKEN_TIMEOUT) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const timedOut = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswer('no token in time')), timeout);
    });
    try {
      this.#token = await Promise.race([this.#tokenSource({ refresh }), timedOut]);
    } catch (reason) {
      if (reason instanceof NoAnswer) throw reason;
      throw reason instanceof TypeError ? new NoAnswer(String(reason)) : new SignedOut(String(reason));
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: unknown, headers?: Record<string, string>, timeout?: number}} options
   * @returns {Promise<Answer>}
   */
  async #fetch(method, path, { body, headers = {}, timeout }) {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const abort = new AbortController();
    const timer = timeout && setTimeout(() => abort.abort(), timeout);
    try {
      const response = await fetch(this.#url + path, {
        method,
        headers: {
          Authorization: `Bearer ${this.#token}`,
          ...(content === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        body: content,
        cache: 'no-store',
        redirect: 'error',
        keepalive: content !== undefined && new Blob([content]).size < KEEPALIVE_BYTES,
        signal: abort.signal,
      });
      return await read(response);
    } catch (reason) {
      throw new NoAnswer(String(reason));
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * @param {Problem} problem
 * @returns {string}
 */
export function slugOf(problem) {
  return String(problem.type).split('/').at(-1) ?? '';
}

/**
 * The claims of a token, unverified: only the service verifies them.
 * @param {string} token
 * @returns {{sub?: string, exp?: number, scope?: string}}
 */
export function claims(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** @param {string} token */
function expiresAt(token) {
  const { exp } = claims(token);
  return typeof exp === 'number' ? exp * 1000 : Infinity;
}

/**
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
async function read(response) {
  const type = response.headers.get('Content-Type') ?? '';
  const text = await response.text();
  const isOurs = response.status === 204 || response.status === 304 || /\bjson\b/.test(type);
  if (!isOurs && response.status < 500 && response.status !== 429) throw new Error(`not the service: ${response.status} ${type}`);
  const body = isOurs && text ? JSON.parse(text) : null;
  return {
    status: response.status,
    ok: response.ok || response.status === 304,
    version: versionOf(response.headers.get('X-Task-Version') ?? response.headers.get('ETag')),
    body,
    problem: /problem\+json/.test(type) ? body : null,
    retryAfter: delayOf(response.headers.get('Retry-After'), response.headers.get('Date')),
  };
}

/** @param {string | null} tag  `7` of X-Task-Version, or the ETag: `"7"`, `W/"7"` or `"7-gzip"` from a compressing proxy */
function versionOf(tag) {
  const found = /^(?:W\/)?"?(\d+)(?:-[a-z]+)?"?$/.exec(tag ?? '');
  return found ? Number(found[1]) : null;
}

/**
 * @param {string | null} header  seconds or an HTTP date
 * @param {string | null} sent    the Date header: when the service sent the answer, by its own clock
 */
function delayOf(header, sent) {
  if (header === null) return null;
  const now = sent === null ? Date.now() : Date.parse(sent);
  const delay = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(delay) ? Math.max(0, delay) : null;
}
