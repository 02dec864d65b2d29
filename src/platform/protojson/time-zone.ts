import type { z } from 'zod';
import { text } from './protojson-scalars.js';

const MAX_CHARACTERS = 64;

/** The IANA name of a time zone; empty: none was named. */
export const timeZone: z.ZodType<string> = text(0, MAX_CHARACTERS).refine(
  (name) => name === '' || isTimeZone(name),
  'must be an IANA time zone, like Europe/Berlin',
);

function isTimeZone(name: string): boolean {
  // Offsets are not time zones: they have no summer time.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
