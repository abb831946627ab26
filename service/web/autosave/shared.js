// @ts-check
/**
 * One draft's record, shared by the tabs of one browser: every change is one transaction of the outbox, and the other
 * tabs are notified. Knows nothing of the service.
 */

import { isOpen } from './draft-state.js';
import { sameJson } from './merge.js';
import { dropSettledConflicts, mergeTabs } from './remote.js';

/** @typedef {import('./draft-state.js').DraftRecord} DraftRecord */

export class SharedDraft {
  /** What this tab's person sees, by field. @type {Record<string, any>} */
  values = {};
  /** As it was after the last change. @type {DraftRecord} */
  record;
  #outbox;
  #key;
  #fields;
  #changed;
  /** What this tab and the record last agreed on. @type {Record<string, any>} */
  #seen = {};
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {Promise<any>} */
  #changes = Promise.resolve();
  /** @type {Promise<DraftRecord> | null} */
  #waiting = null;
  #closed = false;

  /**
   * @param {import('./outbox.js').Outbox} outbox
   * @param {string} key
   * @param {Record<string, import('./fields.js').Field>} fields
   * @param {(names: string[], before: DraftRecord) => void} changed
   * called after every change with the fields of `values` that others changed, and the record before
   * @param {DraftRecord} record  used if the outbox has none
   */
  constructor(outbox, key, fields, changed, record) {
    this.#outbox = outbox;
    this.#key = key;
    this.#fields = fields;
    this.#changed = changed;
    this.record = record;
    this.values = { ...record.local };
    this.#seen = { ...record.local };
    if (typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(`palimpsest/${key}`);
    this.#channel.onmessage = ({ data }) => { if (data !== this.record.revision) this.sync(); };
  }

  /** Whether what is typed survives this tab. */
  get durable() {
    return this.#outbox.durable;
  }

  /** Writes this tab's edits into the record, and reads the other tabs'. */
  sync() {
    this.#waiting ??= this.change((record) => record);
    return this.#waiting;
  }

  /**
   * Changes the record, this tab's edits included: one change after the other, and in no other way.
   * @param {(record: DraftRecord) => DraftRecord} change
   * @returns {Promise<DraftRecord>}
   */
  change(change) {
    const done = this.#changes.then(() => this.#exchange(change));
    this.#changes = done.catch(() => {});
    return done;
  }

  /** Removes the record from this device. */
  forget() {
    return this.#outbox.remove(this.#key);
  }

  /** Closes once the changes under way are stored; later ones have no effect. */
  close() {
    this.#channel?.close();
    this.#changes = this.#changes.then(() => {
      this.#closed = true;
      this.#outbox.close();
    });
  }

  /** @param {(record: DraftRecord) => DraftRecord} change */
  async #exchange(change) {
    this.#waiting = null;
    if (this.#closed) return this.record;
    const before = this.record;
    const sent = { ...this.values };
    const edited = Object.keys(this.#fields).filter((name) => !sameJson(sent[name], this.#seen[name]));
    this.record = await this.#outbox.update(this.#key, (stored = before) => {
      const local = { ...stored.local };
      for (const name of edited) local[name] = mergeTabs(this.#fields[name], this.#seen[name], sent[name], local[name]);
      const next = dropSettledConflicts(change(edited.length ? { ...stored, local } : stored), this.#fields);
      if (next === stored) return undefined;
      return { ...next, open: isOpen(next, this.#fields), revision: stored.revision + 1 };
    }) ?? before;
    const others = [];
    for (const [name, field] of Object.entries(this.#fields)) {
      const now = this.values[name];
      this.values[name] = mergeTabs(field, sent[name], now, this.record.local[name]);
      this.#seen[name] = this.record.local[name];
      if (!sameJson(this.values[name], now)) others.push(name);
    }
    if (this.record.revision !== before.revision) this.#channel?.postMessage(this.record.revision);
    this.#changed(others, before);
    return this.record;
  }
}
