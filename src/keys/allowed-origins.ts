import { z } from 'zod';
import { text } from '../platform/protojson/index.js';

const MAX_ORIGINS = 100;
const MAX_LENGTH = 300;

/**
 * Origins in the form in which a browser serialises them (RFC 6454, section 6.2), since they are compared with the browser's
 * text letter for letter: any other spelling would never match.
 */
const origin = text(1, MAX_LENGTH).refine(
  isSerialisedOrigin,
  'must be an origin as browsers send it, like https://app.example.com or http://localhost:3000',
);

export const allowedOrigins = z
  .array(origin, 'must be a list of origins')
  .max(MAX_ORIGINS)
  .transform((origins) => [...new Set(origins)])
  .meta({ description: 'The web origins whose pages may use the key; empty: any. Programs send no Origin, and pass.' });

function isSerialisedOrigin(candidate: string): boolean {
  // A URL may have an asterisk in its host name; here users would take it for a wildcard.
  if (!/^https?:\/\//.test(candidate) || candidate.includes('*')) return false;
  return URL.canParse(candidate) && new URL(candidate).origin === candidate;
}
