// @ts-check
/** What the page says about the state of saving. Every sentence has to be true of the acknowledged version. */

import { fieldName, fieldOfError } from '../common/field-names.js';
import { listOf } from '../common/format.js';

/** @typedef {import('../autosave/draft-state.js').State} State */

/** @type {Record<string, string>} */
const CLOSED = {
  open: 'This task is published and can no longer be changed.',
  discarded: 'This draft is discarded.',
  expired: 'This draft has expired: it was not changed for a long time.',
};

/**
 * @param {State} state
 * @returns {string}
 */
export function saveMessage(state) {
  const kept = state.kept ? 'kept on this device' : 'keep this page open';
  switch (state.name) {
    case 'saved':
      return state.version ? 'Saved' : 'Nothing to save yet';
    case 'saving':
      return 'Saving…';
    case 'offline':
      return `Offline, ${kept}`;
    case 'conflict':
      return `${listOf(state.conflicts.map(({ field }) => fieldName(field)))} changed elsewhere too: please choose`;
    case 'rejected':
      if (state.problem) return `Not saved, ${kept}`;
      return `Not saved: ${listOf([...new Set(state.errors.map(fieldOfError))])}`;
    case 'error':
      if (state.trouble?.status === 401) return `Signed out, ${kept}`;
      if (state.trouble?.status === 429) return `Too much at once, ${kept}`;
      return `The service has trouble, ${kept}`;
  }
}

/** @param {string} status */
export function closedMessage(status) {
  return CLOSED[status] ?? '';
}

/**
 * What a draft lacks for publishing.
 * @param {import('../autosave/http.js').FieldError} error
 * @returns {string}
 */
export function missingMessage(error) {
  const { code, message, limit, actual } = error;
  if (code === 'too_short' && limit !== undefined) {
    return `Description or voice transcript: ${actual ?? 0} of at least ${limit} characters`;
  }
  const name = fieldOfError(error);
  return code === 'required' ? name : `${name}: ${message}`;
}
