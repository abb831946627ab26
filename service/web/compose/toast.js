// @ts-check
/** The passing message at the bottom of the page. */

import { byId } from '../common/dom.js';

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

/** Not while the pointer or the focus is in it. @param {number} wait  milliseconds */
function hideToast(wait) {
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    if (byId('toast').matches(':hover, :focus-within')) hideToast(wait);
    else byId('toast').hidden = true;
  }, wait);
}
