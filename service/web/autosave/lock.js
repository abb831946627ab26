// @ts-check
/** One tab of the browser at a time, by a Web Lock. */

/** Milliseconds after which a tab that holds the lock is considered frozen, and loses it. */
const LOCK_TIMEOUT = 60_000;

/**
 * Runs the work while this tab holds the lock.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(name, work) {
  if (!navigator.locks) return queued(name, work);
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), LOCK_TIMEOUT);
  /** @type {Promise<T> | undefined} */
  let result;
  const begin = () => {
    clearTimeout(timer);
    result = work();
    return result;
  };
  try {
    return await navigator.locks.request(name, { signal: timeout.signal }, begin);
  } catch (reason) {
    if (result) return result;
    if (!timeout.signal.aborted) throw reason;
    // Two holders for a moment are safe: both would send the same request under the same key.
    return navigator.locks.request(name, { steal: true }, begin);
  }
}

/** @type {Map<string, Promise<any>>} */
const queues = new Map();

/**
 * Web Locks are missing where a page is not served securely: then at least this tab keeps its own order.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
function queued(name, work) {
  const result = (queues.get(name) ?? Promise.resolve()).then(work);
  queues.set(name, result.catch(() => {}));
  return result;
}
