// @ts-check
/** Numbers, times and lists as text, in the same form on every page. */

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en', { maximumFractionDigits: 1 });
}

/**
 * @param {number} part
 * @param {number} [whole]
 */
export function percent(part, whole = 1) {
  return whole ? `${Math.round((100 * part) / whole)} %` : '–';
}

/** @type {[string, number][]} */
const DURATION_UNITS = [['d', 86_400], ['h', 3600], ['min', 60], ['s', 1]];

/** Two units at most: `3 min 20 s`. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const first = DURATION_UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = DURATION_UNITS[first];
  const next = DURATION_UNITS[first + 1];
  if (!next) return `${whole} s`;
  const rest = Math.floor((whole % size) / next[1]);
  return `${count(Math.floor(whole / size))} ${unit}${rest ? ` ${rest} ${next[0]}` : ''}`;
}

/** @type {[number, Intl.RelativeTimeFormatUnit, number][]} */
const RELATIVE_UNITS = [[60, 'second', 1], [3600, 'minute', 60], [86_400, 'hour', 3600], [604_800, 'day', 86_400]];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const date = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' });

/** @param {string} time  RFC 3339 */
export function ago(time) {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const passed = Math.abs(seconds);
  if (passed < 45) return 'just now';
  for (const [below, unit, size] of RELATIVE_UNITS) {
    if (passed < below) return relative.format(Math.round(seconds / size), unit);
  }
  return date.format(Date.parse(time));
}

/** @param {Date} time */
export function dayAndMonth(time) {
  return time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
}

/** @param {string} day  of UTC, such as 2026-01-31 */
export function utcDay(day) {
  return new Date(`${day}T00:00Z`).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
}

/** @type {Intl.DateTimeFormatOptions} */
const TO_THE_SECOND = {
  year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
};

/** Date and time to the second. @type {(time: number) => string} */
export const dateTime = new Intl.DateTimeFormat('en', TO_THE_SECOND).format;

/** The same with the time zone. @type {(time: number) => string} */
export const zonedDateTime = new Intl.DateTimeFormat('en', { ...TO_THE_SECOND, timeZoneName: 'short' }).format;

/** @param {Iterable<string>} names */
export function listOf(names) {
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(names);
}

/**
 * Why the service refused, in its own words.
 * @param {import('../autosave/http.js').Problem | null} problem
 * @param {string} [otherwise]
 */
export function refusalText(problem, otherwise = 'The service refused.') {
  return problem?.detail ?? problem?.title ?? otherwise;
}
