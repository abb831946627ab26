// @ts-check
/**
 * Ties an input to a field of a draft: what is typed goes in, what others write arrives around the cursor, never under
 * it, and never within a word that an input method is still composing.
 */

import { splices } from './merge.js';
import { mergeTabs } from './record.js';

/**
 * @param {import('./autosave.js').Autosave} draft
 * @param {string} field
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
 * @param {boolean} text  whether its words are merged
 * @param {AbortSignal} signal  ends it
 */
export function bind(draft, field, element, text, signal) {
  let composing = false;
  element.value = String(draft.values[field] ?? '');
  let shown = element.value;

  function typed() {
    const others = asShown(element, draft.values[field]);
    const value = others === shown ? element.value : mergeTabs({ text }, shown, element.value, others);
    shown = element.value;
    draft.set(field, value);
  }

  function show() {
    if (composing) return;
    write(element, asShown(element, draft.values[field]));
    shown = element.value;
  }

  element.addEventListener('input', typed, { signal });
  element.addEventListener('compositionstart', () => { composing = true; }, { signal });
  element.addEventListener('compositionend', () => {
    composing = false;
    typed();
    show();
  }, { signal });
  draft.addEventListener('values', (event) => {
    if (/** @type {CustomEvent<string[]>} */ (event).detail.includes(field)) show();
  }, { signal });
}

/**
 * A textarea turns every line break into one sign; `null` is nothing to be read.
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
 * @param {unknown} value
 */
function asShown(element, value) {
  const text = String(value ?? '');
  return element instanceof HTMLTextAreaElement ? text.replace(/\r\n?/g, '\n') : text;
}

/**
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.value === text) return;
  if (document.activeElement !== element || element instanceof HTMLSelectElement || element.selectionStart === null) {
    element.value = text;
    return;
  }
  const { scrollTop } = element;
  for (const { at, cut, insert } of splices(element.value, text)) {
    element.setRangeText(insert, at, at + cut, 'preserve');
  }
  element.scrollTop = scrollTop;
}
