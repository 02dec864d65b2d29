// Compares two series of measurements: how far apart they are, and whether that may be chance.
import { median } from './statistics.mjs';

const Z95 = 1.959964;

/** @typedef {{ value: number, low: number, high: number }} Estimate a value with its 95% interval */

/**
 * @typedef {object} Comparison second less first
 * @property {Estimate} medians
 * @property {Estimate} means
 * @property {number} welchT
 * @property {number} mannWhitneyZ positive where the second series is the larger one
 * @property {number} pValue of Mann and Whitney's test, two-sided
 * @property {number} superiority probability that one of the second series is larger than one of the first; 0.5: the same
 */

/** @param {Float64Array} values */
export function mean(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** @param {Float64Array} values */
function varianceOfMean(values) {
  const center = mean(values);
  let squares = 0;
  for (const value of values) squares += (value - center) ** 2;
  return squares / (values.length - 1) / values.length;
}

/**
 * By the order statistics that bound the median's 95% interval, so that no shape is assumed.
 * @param {Float64Array} values
 */
function varianceOfMedian(values) {
  const sorted = values.toSorted();
  const reach = (Z95 * Math.sqrt(sorted.length)) / 2;
  const low = sorted[Math.max(0, Math.floor(sorted.length / 2 - reach))] ?? Number.NaN;
  const high = sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length / 2 + reach))] ?? Number.NaN;
  return ((high - low) / (2 * Z95)) ** 2;
}

/**
 * @param {number} value
 * @param {number} variance
 * @returns {Estimate}
 */
function estimate(value, variance) {
  const reach = Z95 * Math.sqrt(variance);
  return { value, low: value - reach, high: value + reach };
}

/**
 * @param {Float64Array} first
 * @param {Float64Array} second
 * @returns {number} sum of the second series' ranks among both, ties sharing theirs
 */
function rankSum(first, second) {
  const all = [
    ...Array.from(first, (value) => ({ value, isSecond: false })),
    ...Array.from(second, (value) => ({ value, isSecond: true })),
  ].sort((one, other) => one.value - other.value);
  let sum = 0;
  for (let from = 0; from < all.length;) {
    let to = from;
    let seconds = 0;
    for (; to < all.length && all[to]?.value === all[from]?.value; to += 1) if (all[to]?.isSecond) seconds += 1;
    sum += (seconds * (from + 1 + to)) / 2;
    from = to;
  }
  return sum;
}

/**
 * @param {Float64Array} first
 * @param {Float64Array} second
 * @returns {Comparison}
 */
export function compare(first, second) {
  const variance = varianceOfMean(first) + varianceOfMean(second);
  const difference = mean(second) - mean(first);
  const pairs = first.length * second.length;
  const u = rankSum(first, second) - (second.length * (second.length + 1)) / 2;
  const mannWhitneyZ = (u - pairs / 2) / Math.sqrt((pairs * (first.length + second.length + 1)) / 12);
  return {
    medians: estimate(median([...second]) - median([...first]), varianceOfMedian(first) + varianceOfMedian(second)),
    means: estimate(difference, variance),
    welchT: difference / Math.sqrt(variance),
    mannWhitneyZ,
    pValue: twoSided(mannWhitneyZ),
    superiority: u / pairs,
  };
}

/**
 * Of a standard normal variable; Abramowitz and Stegun 26.2.17, good to 7.5e-8.
 * @param {number} z
 */
function twoSided(z) {
  const size = Math.abs(z);
  const t = 1 / (1 + 0.2316419 * size);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return Math.min(1, (2 * series * Math.exp((-size * size) / 2)) / Math.sqrt(2 * Math.PI));
}
