// @ts-check
/**
 * Stores what was typed and is not acknowledged yet in IndexedDB: one record for each draft, shared by all tabs of the
 * browser. What a record means is defined in draft-state.js.
 */

const STORE = 'drafts';
/** Milliseconds for the browser to open its storage or to refuse. */
const OPEN_TIMEOUT = 3_000;

export class Outbox {
  /** Whether what is written here survives the tab. False if the browser refuses storage: then memory only. */
  durable = false;
  /** @type {IDBDatabase | null} */
  #database = null;
  /** @type {Map<string, any>} */
  #memory = new Map();

  /** @param {string} name  of the database */
  static async open(name) {
    const outbox = new Outbox();
    try {
      outbox.#database = await openDatabase(name);
      outbox.durable = true;
      outbox.#database.onversionchange = () => outbox.#database?.close();
    } catch {
      // Private windows and blocked storage: the page says so through `kept: false`.
    }
    return outbox;
  }

  /**
   * Reads and changes one record in one transaction, so that two tabs never overwrite each other's edits.
   * @param {string} key
   * @param {(record: any) => any} change  synchronous, returns a new record to store, or `undefined` for no change
   * @returns {Promise<any>}  the record as it is afterwards
   */
  async update(key, change) {
    if (this.durable) {
      try {
        const kept = await this.#transact('readwrite', (store, done) => {
          store.get(key).onsuccess = (event) => {
            const before = /** @type {IDBRequest} */ (event.target).result;
            const after = change(before);
            if (after !== undefined) store.put(after, key);
            done(after ?? before);
          };
        });
        this.#memory.set(key, kept);
        return kept;
      } catch (reason) {
        console.warn('autosave: this device keeps nothing', reason);
        this.durable = false;
      }
    }
    const before = this.#memory.get(key);
    const after = change(before) ?? before;
    this.#memory.set(key, after);
    return after;
  }

  /**
   * @param {string} prefix
   * @returns {Promise<Map<string, any>>}  the records whose keys begin with it
   */
  async list(prefix) {
    if (this.durable) {
      try {
        return await this.#stored(prefix);
      } catch {
        this.durable = false;
      }
    }
    return new Map([...this.#memory].filter(([key, record]) => record && key.startsWith(prefix)));
  }

  /** @param {string} key */
  async remove(key) {
    this.#memory.delete(key);
    if (this.durable) await this.#transact('readwrite', (store, done) => done(void store.delete(key)));
  }

  close() {
    this.#database?.close();
  }

  /** @param {string} prefix */
  #stored(prefix) {
    /** @type {Map<string, any>} */
    const found = new Map();
    return this.#transact('readonly', (store, done) => {
      store.openCursor(IDBKeyRange.bound(prefix, `${prefix}\uffff`)).onsuccess = (event) => {
        const cursor = /** @type {IDBRequest<IDBCursorWithValue | null>} */ (event.target).result;
        if (!cursor) return done(found);
        found.set(String(cursor.key), cursor.value);
        cursor.continue();
      };
    });
  }

  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore, done: (result: T) => void) => void} work
   * @returns {Promise<T>}  once the transaction is on disk
   */
  #transact(mode, work) {
    return new Promise((resolve, reject) => {
      const database = /** @type {IDBDatabase} */ (this.#database);
      const transaction = database.transaction(STORE, mode, { durability: 'strict' });
      /** @type {T} */
      let result;
      work(transaction.objectStore(STORE), (value) => { result = value; });
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}

/**
 * @param {string} name
 * @returns {Promise<IDBDatabase>}
 */
function openDatabase(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Error('the storage does not open'));
    }, OPEN_TIMEOUT);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => {
      clearTimeout(timer);
      if (late) request.result.close();
      else resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another tab holds an older database'));
  });
}
