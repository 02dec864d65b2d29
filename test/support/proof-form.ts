/**
 * How thorough a proof is: `npm test` runs each in its short form, `npm run test:chaos` the whole. The guarantee that it
 * states is the same; only how often it is tried differs.
 */
export const WHOLE = process.env['GATEHOUSE_PROOFS'] === 'whole';

/** One of two numbers, by the form. */
export function inForm(short: number, whole: number): number {
  return WHOLE ? whole : short;
}
