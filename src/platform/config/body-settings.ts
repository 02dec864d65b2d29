import { group, integer } from './setting-definition.js';

const limits = group('Limits and timeouts').define;

/** How large request bodies may be: each by itself, and those in memory together. */
export const BODY_SETTINGS = {
  bodyLimitBytes: limits('GATEHOUSE_BODY_LIMIT_BYTES', integer(1024, 1024 ** 3), 'Largest request body, in bytes.', {
    fallback: String(20 * 1024 * 1024),
  }),
  bodyLimitValues: limits(
    'GATEHOUSE_BODY_LIMIT_VALUES',
    integer(100, 10_000_000),
    'Most JSON values in one request body: objects, lists, strings, numbers, true, false and null together. One of 250,000 ' +
      'takes about 0.2 s of one core to judge.',
    { fallback: '250000' },
  ),
  bodyLimitDepth: limits(
    'GATEHOUSE_BODY_LIMIT_DEPTH',
    integer(8, 1000),
    'Most levels of objects and lists in one request body.',
    { fallback: '128' },
  ),
  tenantBodyBytes: limits(
    'GATEHOUSE_TENANT_BODY_BYTES',
    integer(1024, 1024 ** 4),
    "Bytes of bodies that one tenant's open requests may have in memory; over it they answer 429. At most half of " +
      '`GATEHOUSE_BODY_BYTES`, five eighths for all tenants of one org together, and for each org twice what is still free.',
    { fallback: String(256 * 1024 * 1024) },
  ),
  bodyBytes: limits(
    'GATEHOUSE_BODY_BYTES',
    integer(1024, 1024 ** 4),
    'Bytes of bodies that all open requests of a process may have in memory; over it they answer 503. At most a quarter ' +
      "of Node's heap (`--max-old-space-size`), since a body takes up to four times its size while it is open.",
    { fallback: String(512 * 1024 * 1024) },
  ),
} as const;
