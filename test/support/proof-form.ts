/**
 * How thorough a proof is: `npm test` runs each in its short form, `npm run test:chaos` in its whole form. The guarantee is the
 * same; only the number of tries differs.
 */
export const WHOLE = process.env['GATEHOUSE_PROOFS'] === 'whole';

/** One of two numbers, by the form. */
export function inForm(short: number, whole: number): number {
  return WHOLE ? whole : short;
}
