// @ts-check
/**
 * Who is signed in, for every page: the token comes in the link's fragment or is pasted, and lives as long as the tab.
 * Loaded first, so that the fragment leaves the address bar at once.
 */

import { claims } from './wire.js';

const KEY = 'palimpsest-token';

/** Tells `signed-in` and `signed-out`. */
class Session extends EventTarget {
  /** Why the last token was not taken, for the page that asks for another. */
  complaint = '';

  /** @returns {string} empty where nobody is signed in */
  get token() {
    return sessionStorage.getItem(KEY) ?? '';
  }

  /** The user's uuid. */
  get account() {
    return claims(this.token).sub ?? '';
  }

  /** @returns {string[]} what the token may do besides its owner's drafts */
  get scopes() {
    return (claims(this.token).scope ?? '').split(' ');
  }

  /** Whether the analytics page has anything for who is signed in. */
  get seesAnalytics() {
    return this.scopes.includes('analytics') || this.scopes.includes('audit');
  }

  /**
   * @param {string} token
   * @returns {string}  what is wrong with it, or nothing
   */
  signIn(token) {
    const { sub, exp } = claims(token.trim());
    this.complaint = '';
    if (!sub || !exp) this.complaint = 'This is not an access token.';
    else if (exp * 1000 < Date.now()) this.complaint = 'This token has run out.';
    if (this.complaint) return this.complaint;
    sessionStorage.setItem(KEY, token.trim());
    this.dispatchEvent(new Event('signed-in'));
    return '';
  }

  /** @param {string} [complaint]  where it was not the person's wish */
  signOut(complaint = '') {
    this.complaint = complaint;
    sessionStorage.removeItem(KEY);
    this.dispatchEvent(new Event('signed-out'));
  }

  /** For `Wire` and `Autosave`: only the person can get another token. @type {import('./wire.js').TokenSource} */
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
