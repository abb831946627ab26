// @ts-check
/**
 * The charts of the analytics page, as SVG with the colours of the style sheet, so that they follow light and dark.
 * Each is an image with a summary; its numbers are also in a table. Drawn here because no Python package ships a current
 * chart library without a framework.
 */

import { make, makeSvg } from '../common/dom.js';
import { count, duration, percent, utcDay } from '../common/format.js';

const LEFT = 44;
const RIGHT = 20;
const TOP = 8;
const BOTTOM = 22;
/** Above this many days, columns would be too thin: lines. */
const MOST_COLUMNS = 62;

/** What each chart shows, to draw it again when its width changes. @type {Map<Element, () => void>} */
const shown = new Map();
const widths = new ResizeObserver((entries) => entries.forEach(({ target }) => shown.get(target)?.()));

/**
 * @param {HTMLElement} place
 * @param {(width: number) => Node[]} draw
 */
function show(place, draw) {
  let last = 0;
  const again = (force = false) => {
    const width = Math.floor(place.clientWidth);
    if (!width || (width === last && !force)) return;
    last = width;
    place.replaceChildren(...draw(width));
  };
  shown.set(place, again);
  widths.observe(place);
  again(true);
}

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} className
 * @property {number[]} values
 */

/**
 * Counts a day: columns side by side, or lines where there are many days.
 * @param {HTMLElement} place
 * @param {string} summary
 * @param {string[]} days
 * @param {Series[]} series
 * @param {number} [height]
 */
export function perDay(place, summary, days, series, height = 190) {
  const most = Math.max(0, ...series.flatMap(({ values }) => values));
  if (!most) return show(place, () => [nothing('Nothing in this period.')]);
  show(place, (width) => {
    const ticks = roundTicks(most);
    const top = ticks.at(-1) ?? 1;
    const frame = new Frame(width, height, days, summary);
    const y = (/** @type {number} */ value) => frame.bottom - (value / top) * (frame.bottom - TOP);
    frame.grid(ticks.map((tick) => [y(tick), count(tick)]));
    if (days.length <= MOST_COLUMNS) {
      const column = Math.min(18, (frame.step * 0.8) / series.length);
      series.forEach(({ className, values }, number) => {
        const from = -(column * series.length) / 2 + column * number;
        values.forEach((value, day) => value && frame.add('rect', {
          class: className, x: frame.x(day) + from, y: y(value), width: Math.max(1, column - (column > 4 ? 1 : 0)), height: frame.bottom - y(value),
        }));
      });
    } else {
      for (const { className, values } of series) {
        frame.add('polyline', { class: `line ${className}`, points: values.map((value, day) => `${frame.x(day).toFixed(1)},${y(value).toFixed(1)}`).join(' ') });
      }
    }
    const tell = (/** @type {number} */ day) => `${utcDay(days[day])}: ${series.map(({ name, values }) => `${count(values[day])} ${name.toLowerCase()}`).join(', ')}`;
    return [legend(series.length > 1 ? series : [], frame.readout), frame.finish(tell)];
  });
}

/** @type {[number, string][]} */
const TIME_TICKS = [[1, '1 s'], [10, '10 s'], [60, '1 min'], [600, '10 min'], [3600, '1 h'], [21_600, '6 h'], [86_400, '1 d'], [604_800, '7 d'], [2_592_000, '30 d'], [31_536_000, '1 y']];

/**
 * Median and 90th percentile a day, as dot and end of a range, on a logarithmic scale.
 * @param {HTMLElement} place
 * @param {string} summary
 * @param {string[]} days
 * @param {({median: number, p90: number} | null)[]} times  seconds
 */
export function timesPerDay(place, summary, days, times) {
  const known = times.flatMap((time) => time ? [time.median, time.p90] : []);
  if (!known.length) return show(place, () => [nothing('Nothing was published in this period.')]);
  const least = Math.max(0.1, Math.min(...known));
  const most = Math.max(...known);
  const below = TIME_TICKS.filter(([tick]) => tick <= least).at(-1)?.[0] ?? least;
  const above = TIME_TICKS.find(([tick]) => tick >= most && tick > below)?.[0] ?? most;
  show(place, (width) => {
    const frame = new Frame(width, 190, days, summary);
    const y = (/** @type {number} */ value) => frame.bottom
      - ((Math.log(Math.max(value, below)) - Math.log(below)) / (Math.log(above) - Math.log(below))) * (frame.bottom - TOP);
    frame.grid(TIME_TICKS.filter(([tick]) => tick >= below && tick <= above).map(([tick, words]) => [y(tick), words]));
    const size = Math.max(1.5, Math.min(4.5, frame.step / 3));
    times.forEach((time, day) => {
      if (!time) return;
      const x = frame.x(day);
      frame.add('line', { class: 'spread', x1: x, x2: x, y1: y(time.median), y2: y(time.p90) });
      frame.add('line', { class: 'p90', x1: x - size, x2: x + size, y1: y(time.p90), y2: y(time.p90) });
      frame.add('circle', { class: 'median', cx: x, cy: y(time.median), r: size });
    });
    const tell = (/** @type {number} */ day) => {
      const time = times[day];
      return `${utcDay(days[day])}: ${time ? `median ${duration(time.median)}, p90 ${duration(time.p90)}` : 'nothing published'}`;
    };
    return [legend([{ name: 'Median', className: 'median' }, { name: '90th percentile', className: 'p90' }], frame.readout), frame.finish(tell)];
  });
}

/**
 * Amounts of named things, one bar below the other, each with its share of a whole.
 * @param {HTMLElement} place
 * @param {string} summary
 * @param {[string, number][]} rows
 * @param {number} whole
 */
export function bars(place, summary, rows, whole) {
  if (!rows.length || !whole) return show(place, () => [nothing('Nothing in this period.')]);
  const each = 40;
  show(place, (width) => {
    const picture = image(width, rows.length * each, summary);
    rows.forEach(([name, value], number) => {
      const top = number * each;
      picture.append(
        makeSvg('text', { class: 'name', x: 0, y: top + 14 }, name),
        makeSvg('text', { class: 'value', x: width, y: top + 14, 'text-anchor': 'end' }, `${count(value)} · ${percent(value, whole)}`),
        makeSvg('rect', { class: 'track', x: 0, y: top + 21, width, height: 9, rx: 2 }),
        makeSvg('rect', { class: 'series-1', x: 0, y: top + 21, width: (value / whole) * width, height: 9, rx: 2 }));
    });
    return [picture];
  });
}

/** @param {string} words */
function nothing(words) {
  return make('p', { className: 'quiet nothing' }, words);
}

/** Axes of days, and what the pointer is on. */
class Frame {
  readout = make('span', { className: 'readout', 'aria-hidden': 'true' });

  /**
   * @param {number} width
   * @param {number} height
   * @param {string[]} days
   * @param {string} summary
   */
  constructor(width, height, days, summary) {
    this.width = width;
    this.days = days;
    this.bottom = height - BOTTOM;
    this.step = (width - LEFT - RIGHT) / days.length;
    this.picture = image(width, height, summary);
  }

  /** @param {number} day */
  x(day) {
    return LEFT + this.step * (day + 0.5);
  }

  /**
   * @param {string} tag
   * @param {Record<string, string | number>} attributes
   */
  add(tag, attributes) {
    this.picture.append(makeSvg(tag, attributes));
  }

  /** @param {[number, string][]} ticks */
  grid(ticks) {
    ticks.forEach(([y, words], number) => {
      this.add('line', { class: number ? 'grid' : 'axis', x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y });
      this.picture.append(makeSvg('text', { class: 'tick', x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, words));
    });
    const every = Math.max(1, Math.ceil(64 / this.step));
    for (let day = this.days.length - 1; day >= 0; day -= every) {
      const x = this.x(day);
      this.picture.append(
        makeSvg('line', { class: 'axis', x1: x, x2: x, y1: this.bottom, y2: this.bottom + 4 }),
        makeSvg('text', { class: 'tick', x, y: this.bottom + 17, 'text-anchor': 'middle' }, utcDay(this.days[day])));
    }
  }

  /** @param {(day: number) => string} tell */
  finish(tell) {
    const cursor = makeSvg('rect', { class: 'cursor', y: TOP, width: Math.max(this.step, 2), height: this.bottom - TOP, visibility: 'hidden' });
    this.picture.prepend(cursor);
    this.picture.addEventListener('pointermove', (event) => {
      const at = /** @type {PointerEvent} */ (event).clientX - this.picture.getBoundingClientRect().left - LEFT;
      const day = Math.max(0, Math.min(this.days.length - 1, Math.floor(at / this.step)));
      cursor.setAttribute('x', String(this.x(day) - this.step / 2));
      cursor.setAttribute('visibility', 'visible');
      this.readout.textContent = tell(day);
    });
    this.picture.addEventListener('pointerleave', () => {
      cursor.setAttribute('visibility', 'hidden');
      this.readout.textContent = '';
    });
    return this.picture;
  }
}

/**
 * @param {number} width
 * @param {number} height
 * @param {string} summary
 */
function image(width, height, summary) {
  return makeSvg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': summary });
}

/**
 * @param {{name: string, className: string}[]} entries
 * @param {HTMLElement} readout
 */
function legend(entries, readout) {
  return make('div', { className: 'legend', 'aria-hidden': 'true' },
    ...entries.map(({ name, className }) => make('span', { className: 'key' }, make('span', { className: `swatch ${className}` }), name)), readout);
}

/** From 0 to the next round number, in at most five whole steps. @param {number} most */
function roundTicks(most) {
  const rough = Math.max(1, most) / 4;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => each >= rough) ?? 1);
  return Array.from({ length: Math.ceil(Math.max(1, most) / step) + 1 }, (_, number) => number * step);
}
