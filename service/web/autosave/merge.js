// @ts-check
/**
 * Three-way merge of a field's versions: one value, or a conflict for the person to decide.
 * Pure functions. Offsets are UTF-16 units, as in the DOM, unless said otherwise.
 */

/** @typedef {{at: number, cut: number, insert: string}} Splice */
/** @typedef {{at: number, end: number, words: string[]}} Hunk  Offsets in words of the older text. */

/** More differing words than this between two texts count as one rewritten passage. */
const MAX_DIFFERENCES = 400;

/** A word, one character of a script without spaces between words, a run of spaces, or any other character. */
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]|[\p{L}\p{M}\p{N}_'’]+|\s+|[^]/gu;

/**
 * Cuts a text into words, spaces and other characters; joined again they are the text. Words are the unit of merging:
 * two edits inside one word are a conflict, since letters of both would make neither's word.
 * @param {string} text
 * @returns {string[]}
 */
export function words(text) {
  return text.match(WORD) ?? [];
}

/**
 * The one smallest splice that turns `before` into `after`; never cuts a surrogate pair in two.
 * @param {string} before
 * @param {string} after
 * @returns {Splice}
 */
export function splice(before, after) {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  if (head > 0 && isHighSurrogate(before.charCodeAt(head - 1))) head--;
  let tail = 0;
  while (tail < shorter - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  if (tail > 0 && isLowSurrogate(before.charCodeAt(before.length - tail))) tail--;
  return { at: head, cut: before.length - head - tail, insert: after.slice(head, after.length - tail) };
}

/**
 * The splices that turn `before` into `after`, last one first, so that each can be applied without moving the others.
 * A cursor between two of them stays where it is.
 * @param {string} before
 * @param {string} after
 * @returns {Splice[]}
 */
export function splices(before, after) {
  const parts = words(before);
  const starts = [0];
  for (const part of parts) starts.push(/** @type {number} */ (starts.at(-1)) + part.length);
  return hunks(parts, words(after)).map((hunk) => {
    const inner = splice(parts.slice(hunk.at, hunk.end).join(''), hunk.words.join(''));
    return { ...inner, at: inner.at + starts[hunk.at] };
  }).reverse();
}

/**
 * An event's edit, whose offsets count code points.
 * @param {string} text
 * @param {Splice} edit
 * @returns {string}
 */
export function applyEdit(text, edit) {
  const points = Array.from(text);
  return points.slice(0, edit.at).join('') + edit.insert + points.slice(edit.at + edit.cut).join('');
}

/**
 * The number of Unicode code points, the unit of every limit.
 * @param {string} text
 */
export function countCharacters(text) {
  let pairs = 0;
  for (let i = 0; i < text.length - 1; i++) {
    if (isHighSurrogate(text.charCodeAt(i)) && isLowSurrogate(text.charCodeAt(i + 1))) pairs++;
  }
  return text.length - pairs;
}

/**
 * Merges two edits of one text.
 * @param {string} base     what both started from
 * @param {string} mine
 * @param {string} theirs
 * @param {{keepBoth?: boolean}} [options]  `keepBoth`: where they touched the same words, keep the words of both
 * @returns {string | null}  null where they touched the same words
 */
export function mergeText(base, mine, theirs, { keepBoth = false } = {}) {
  if (mine === theirs || theirs === base) return mine;
  if (mine === base) return theirs;
  const parts = words(base);
  let ours = hunks(parts, words(mine));
  let others = hunks(parts, words(theirs));
  const clashes = ours.flatMap((a) => others.filter((b) => clash(a, b)).map((b) => ({ a, b })));
  for (const { a, b } of clashes) {
    const alone = clashes.every((other) => (other.a === a) === (other.b === b));
    const covered = alone ? longer(parts, a, b) : null;
    if (covered === a) others = others.filter((hunk) => hunk !== b);
    else if (covered === b) ours = ours.filter((hunk) => hunk !== a);
    else if (!keepBoth) return null;
  }
  const merged = [];
  let at = 0;
  for (const hunk of [...ours, ...others].sort((a, b) => a.at - b.at || a.end - b.end)) {
    if (hunk.at > at) merged.push(...parts.slice(at, hunk.at));
    merged.push(...hunk.words);
    at = Math.max(at, hunk.end);
  }
  return [...merged, ...parts.slice(at)].join('');
}

/**
 * Equality of JSON values as the service defines it: key order does not matter.
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export function sameJson(a, b) {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const one = /** @type {Record<string, unknown>} */ (a);
  const other = /** @type {Record<string, unknown>} */ (b);
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length
    && keys.every((key) => Object.hasOwn(other, key) && sameJson(one[key], other[key]));
}

/**
 * The changes that turn `before` into `after`, by Myers' greedy algorithm.
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Hunk[]}
 */
function hunks(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head++;
  let end = before.length;
  let to = after.length;
  while (end > head && to > head && before[end - 1] === after[to - 1]) { end--; to--; }
  if (end === head && to === head) return [];
  const steps = shortestEdit(before.slice(head, end), after.slice(head, to));
  if (!steps) return [{ at: head, end, words: after.slice(head, to) }];
  /** @type {Hunk[]} */
  const found = [];
  for (const { x, y, insert } of steps) {
    const last = found.at(-1);
    const at = head + x;
    const hunk = last && last.end === at ? last : { at, end: at, words: [] };
    if (hunk !== last) found.push(hunk);
    if (insert) hunk.words.push(after[head + y]);
    else hunk.end++;
  }
  return found;
}

/**
 * @param {string[]} a
 * @param {string[]} b
 * @returns {{x: number, y: number, insert: boolean}[] | null}  null past MAX_DIFFERENCES
 */
function shortestEdit(a, b) {
  /** @type {Map<number, number>[]} */
  const trace = [];
  let reach = new Map([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, MAX_DIFFERENCES); d++) {
    trace.push(reach);
    const next = new Map();
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
      let x = down ? at(reach, k + 1) : at(reach, k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length);
    }
    reach = next;
  }
  return null;
}

/**
 * @param {Map<number, number>[]} trace
 * @param {number} x
 * @param {number} y
 */
function walkBack(trace, x, y) {
  const steps = [];
  for (let d = trace.length - 1; d > 0; d--) {
    const reach = trace[d];
    const k = x - y;
    const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
    const before = down ? k + 1 : k - 1;
    x = at(reach, before);
    y = x - before;
    steps.push({ x, y, insert: down });
  }
  return steps.reverse();
}

/** @param {Map<number, number>} reach @param {number} k */
function at(reach, k) {
  return reach.get(k) ?? -1;
}

/**
 * Whether two hunks overlap, or insert at the same point. Adjacent hunks do not clash: their order is clear.
 * @param {Hunk} a
 * @param {Hunk} b
 */
function clash(a, b) {
  if (a.at === b.at && a.end === b.end) return true;
  return a.at < b.end && b.at < a.end;
}

/**
 * Of two hunks that continue the same words, the one that begins with the whole other: it loses nothing.
 * If either removed words, both have to be the same.
 * @param {string[]} parts
 * @param {Hunk} a
 * @param {Hunk} b
 */
function longer(parts, a, b) {
  if (a.at !== b.at || a.end !== b.end) return null;
  const [mine, theirs] = [a.words.join(''), b.words.join('')];
  if (mine === theirs) return a;
  const old = parts.slice(a.at, a.end).join('');
  if (mine.startsWith(theirs) && theirs.startsWith(old)) return a;
  return theirs.startsWith(mine) && mine.startsWith(old) ? b : null;
}

/** @param {number} unit */
function isHighSurrogate(unit) {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** @param {number} unit */
function isLowSurrogate(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
