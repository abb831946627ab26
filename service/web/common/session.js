// @ts-check
/**
 * Who is signed in, for every page: the token comes in the link's fragment or is pasted, and is kept as long as the tab.
 * Loaded first, so that the token is removed from the address bar at once.
 */

import { claims } from '../autosave/http.js';

const KEY = 'palimpsest-token';

/** Dispatches `signed-in` and `signed-out`. */
class Session extends EventTarget {
  /** Why the last token was not accepted. */
  error = '';

  /** @returns {string}  empty if signed out */
  get token() {
    return sessionStorage.getItem(KEY) ?? '';
  }

  /** The user's uuid. */
  get account() {
    return claims(this.token).sub ?? '';
  }

  /** @returns {string[]}  the scopes of the token */
  get scopes() {
    return (claims(this.token).scope ?? '').split(' ');
  }

  /** Whether the token has a scope for the analytics page. */
  get seesAnalytics() {
    return this.scopes.includes('analytics') || this.scopes.includes('audit');
  }

  /**
   * @param {string} token
   * @returns {string}  what is wrong with it, empty if it was accepted
   */
  signIn(token) {
    const { sub, exp } = claims(token.trim());
    this.error = '';
    if (!sub || !exp) this.error = 'This is not an access token.';
    else if (exp * 1000 < Date.now()) this.error = 'This token has run out.';
    if (this.error) return this.error;
    sessionStorage.setItem(KEY, token.trim());
    this.dispatchEvent(new Event('signed-in'));
    return '';
  }

  /** @param {string} [error]  the reason, if the person did not ask for it */
  signOut(error = '') {
    this.error = error;
    sessionStorage.removeItem(KEY);
    this.dispatchEvent(new Event('signed-out'));
  }

  /** For `HttpClient` and `Autosave`: only the person can get another token. @type {import('../autosave/http.js').TokenSource} */
  source = ({ refresh }) => {
    if (refresh || !this.token) throw new Error('Sign in again.');
    return this.token;
  };
}

export const session = new Session();

takeFromAddress();
addEventListener('hashchange', takeFromAddress);

function takeFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (!token) return;
  history.replaceState(history.state, '', location.pathname + location.search);
  session.signIn(token);
}
