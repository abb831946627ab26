// @ts-check
/** Small things that the page's parts share: finding and making elements, telling times, the passing message. */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new (...args: any[]) => T} [kind]
 * @returns {T}
 */
export function byId(id, kind = /** @type {any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties]  `on…` listens, names with a dash are attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name.includes('-')) element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children);
  return element;
}

/**
 * Does the work once things have been quiet.
 * @template {any[]} A
 * @param {number} wait  milliseconds
 * @param {(...args: A) => void} work
 * @returns {(...args: A) => void}
 */
export function afterQuiet(wait, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), wait);
  };
}

/** @type {[number, Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [[60, 'second', 1], [3600, 'minute', 60], [86_400, 'hour', 3600], [604_800, 'day', 86_400]];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** @param {string} time  RFC 3339 */
export function ago(time) {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  const passed = Math.abs(seconds);
  if (passed < 45) return 'just now';
  for (const [below, unit, size] of UNITS) {
    if (passed < below) return relative.format(Math.round(seconds / size), unit);
  }
  return new Date(time).toLocaleDateString('en', { day: 'numeric', month: 'short', year: 'numeric' });
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en');
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let toastTimer;

/**
 * @param {string} words
 * @param {{label: string, act: () => void}} [action]
 */
export function toast(words, action) {
  const button = byId('toast-action', HTMLButtonElement);
  byId('toast').hidden = false;
  byId('toast-words').textContent = words;
  button.hidden = !action;
  button.textContent = action?.label ?? '';
  button.onclick = () => {
    byId('toast').hidden = true;
    action?.act();
  };
  hideToast(action ? 10_000 : 6_000);
}

/** Not under somebody's hand. @param {number} wait  milliseconds */
function hideToast(wait) {
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    if (byId('toast').matches(':hover, :focus-within')) hideToast(wait);
    else byId('toast').hidden = true;
  }, wait);
}
