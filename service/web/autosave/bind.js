// @ts-check
/**
 * Connects an input with a field of a draft: what is typed goes into the draft, and others' changes are put in around
 * the cursor, but not while an input method composes a word.
 */

import { splices } from './merge.js';
import { mergeTabs } from './remote.js';

/**
 * @param {import('./autosave.js').Autosave} draft
 * @param {string} field
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} element
 * @param {boolean} text  whether its words are merged
 * @param {AbortSignal} signal  disconnects them
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
 * A textarea normalizes line breaks to `\n`; `null` is shown as an empty text.
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
