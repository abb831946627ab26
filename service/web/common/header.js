// @ts-check
/** The bar on top of the pages with an account: links to the pages, and who is signed in. */

import { byId, make } from './dom.js';
import { session } from './session.js';

/** @type {[string, string][]} */
const PAGES = [['/', 'Drafts'], ['/analytics', 'Analytics']];

const pages = make('nav', { className: 'pages', 'aria-label': 'Pages', hidden: true },
  ...PAGES.map(([href, name]) => make('a', href === location.pathname ? { href, 'aria-current': 'page' } : { href }, name)));
const name = make('span', { className: 'quiet', id: 'account-name' });
const account = make('div', { className: 'account', hidden: true }, name,
  make('button', { type: 'button', className: 'plain small', id: 'sign-out' }, 'Sign out'));
byId('header').append(pages, account);

/** Shows who is signed in now. */
export function updateHeader() {
  account.hidden = !session.account;
  name.textContent = account.hidden ? '' : `Signed in as ${session.account.slice(0, 8)}`;
  pages.hidden = location.pathname === '/' ? !session.seesAnalytics : !session.account;
}
