// @ts-check
/** The published address of the autosave client, `/static/autosave.js`. */

export * from './autosave/autosave.js';
