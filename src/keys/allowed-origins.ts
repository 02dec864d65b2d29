import { z } from 'zod';
import { text } from '../platform/protojson/index.js';

const MAX_ORIGINS = 100;
const MAX_LENGTH = 300;

/**
 * Origins as a browser serialises them (RFC 6454, section 6.2), since they are compared with what browsers send, letter
 * for letter: whatever else names the same place would never match, and its owner would wonder why.
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
  // URLs may hold an asterisk in a host name; here it would be read as a wildcard.
  if (!/^https?:\/\//.test(candidate) || candidate.includes('*')) return false;
  return URL.canParse(candidate) && new URL(candidate).origin === candidate;
}
