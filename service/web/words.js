// @ts-check
/** What the page says about the state of saving. Every sentence has to be true of the acknowledged version. */

/** @typedef {import('./record.js').State} State */

/** @type {Record<string, string>} */
export const FIELD_NAMES = {
  title: 'Title', description: 'Description', transcript: 'Voice transcript', category: 'Category',
  task_type: 'Task type', requirements: 'Requirements', budget_usd: 'Budget', experimentation: 'Experimentation',
  brand_kit_id: 'Brand kit', attachments: 'Attachments',
};

/** @type {Record<string, string>} */
const CLOSED = {
  open: 'This task is published and can no longer be changed.',
  discarded: 'This draft is discarded.',
  expired: 'This draft has expired: nobody changed it for a long time.',
};

/**
 * @param {State} state
 * @returns {string}
 */
export function saveWords(state) {
  const kept = state.kept ? 'kept on this device' : 'keep this page open';
  switch (state.name) {
    case 'saved':
      return state.version ? 'Saved' : 'Nothing to save yet';
    case 'saving':
      return 'Saving…';
    case 'offline':
      return `Offline, ${kept}`;
    case 'conflict':
      return `${listOf(state.conflicts.map(({ field }) => FIELD_NAMES[field]))} changed elsewhere too: please choose`;
    case 'rejected':
      if (state.problem) return `Not saved, ${kept}`;
      return `Not saved: ${listOf([...new Set(state.errors.map(({ pointer }) => FIELD_NAMES[pointer.slice(1)] ?? pointer))])}`;
    case 'error':
      if (state.trouble?.status === 401) return `Signed out, ${kept}`;
      if (state.trouble?.status === 429) return `Too much at once, ${kept}`;
      return `The service has trouble, ${kept}`;
  }
}

/** @param {string} status */
export function closedWords(status) {
  return CLOSED[status] ?? '';
}

/**
 * @param {{pointer: string, code: string, message: string, limit?: number, actual?: number}} error
 * @returns {string}
 */
export function missingWords({ pointer, code, message, limit, actual }) {
  if (code === 'too_short' && limit !== undefined) {
    return `Description or voice transcript: ${actual ?? 0} of at least ${limit} characters`;
  }
  const name = FIELD_NAMES[pointer.split('/')[1]] ?? pointer;
  return code === 'required' ? name : `${name}: ${message}`;
}

/** @param {string[]} names */
export function listOf(names) {
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(names);
}
