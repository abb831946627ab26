// @ts-check
/** The form in which a person pastes a token; each page brings its own hint. */

import { byId, make } from './dom.js';
import { session } from './session.js';

export class SignInForm {
  #section = byId('sign-in');
  #heading;
  #error = make('p', { className: 'error', id: 'token-error', role: 'alert' });
  #input = /** @type {HTMLInputElement} */ (make('input', {
    id: 'token', name: 'token', type: 'password', autocomplete: 'off', spellcheck: false, autocapitalize: 'off',
    required: true, 'aria-describedby': 'sign-in-hint token-error',
  }));

  /** @param {'h1' | 'h2'} [level]  of its heading */
  constructor(level = 'h2') {
    this.#heading = make(level, { id: 'sign-in-heading' });
    byId('sign-in-hint').before(this.#heading);
    this.#section.append(make('form', { onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
      make('div', { className: 'field' },
        make('label', { htmlFor: 'token' }, 'Access token'), this.#input, this.#error),
      make('button', { type: 'submit', className: 'primary' }, 'Sign in')));
  }

  get isShown() {
    return !this.#section.hidden;
  }

  /**
   * @param {string} heading
   * @param {{error?: string, strip?: boolean}} [options]  `strip`: above what is open, instead of a page of its own
   */
  show(heading, { error = '', strip = false } = {}) {
    this.#heading.textContent = heading;
    this.#section.classList.toggle('strip', strip);
    this.#section.hidden = false;
    this.#showError(error);
  }

  hide() {
    this.#section.hidden = true;
    this.#showError('');
  }

  /** Once the page that shows the form has been laid out. */
  focus() {
    queueMicrotask(() => this.#input.focus());
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const error = session.signIn(this.#input.value);
    this.#showError(error);
    if (error) this.#input.focus();
    else this.#input.value = '';
  }

  /** @param {string} message */
  #showError(message) {
    this.#error.textContent = message;
    if (message) this.#input.setAttribute('aria-invalid', 'true');
    else this.#input.removeAttribute('aria-invalid');
  }
}
