// The little arithmetic that the bench needs.

/**
 * @param {readonly number[]} values
 * @returns {number} NaN without values
 */
export function median(values) {
  return percentile(values, 0.5);
}

/**
 * Linear interpolation between the two nearest ranks.
 * @param {readonly number[]} values
 * @param {number} share 0 to 1
 * @returns {number} NaN without values
 */
export function percentile(values, share) {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** @param {readonly number[]} values */
export const sum = (values) => values.reduce((total, value) => total + value, 0);
