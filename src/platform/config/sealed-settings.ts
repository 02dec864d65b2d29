import { z } from 'zod';
import { encryptionKeys, group, isLoopback, list } from './setting-definition.js';

const sealed = group('Sealed access tokens').define;

/** What a quota allows in a minute, in an hour and in a day. */
export type QuotaLimits = readonly [minute: number, hour: number, day: number];

const MOST = 1_000_000_000;

const quota: z.ZodType<QuotaLimits> = z
  .string()
  .regex(/^\d{1,10}\/\d{1,10}\/\d{1,10}$/, 'must be three whole numbers: requests per minute/hour/day, as 60/360/8640')
  .transform((value) => value.split('/').map(Number) as [number, number, number])
  .refine(
    (limits) => limits.every((limit) => limit >= 1 && limit <= MOST),
    `must hold three whole numbers from 1 to ${MOST}`,
  );

const hostnames: z.ZodType<readonly string[]> = list
  .refine(
    (all) => all.every((one) => /^[A-Za-z0-9.-]+$|^\[[0-9A-Fa-f:.]+\]$/.test(one)),
    'must be host names without scheme and port, separated by commas',
  )
  .transform((all) => all.map((one) => one.toLowerCase()));

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, host, href } = new URL(text);
  // A parser takes a star for a name; here it would look like all names.
  if (hostname.includes('*') || href !== `${protocol}//${host}/`) return false;
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

const origins: z.ZodType<readonly string[]> = list
  .refine(
    (all) => all.every(isOrigin),
    'must be origins separated by commas, as https://llm.example.com:8443, without a path; http:// may lead to this machine alone',
  )
  .transform((all) => all.map((one) => new URL(one).origin));

export const SEALED_SETTINGS = {
  sealedTokenKeys: sealed(
    'GATEHOUSE_SEALED_TOKEN_KEYS',
    encryptionKeys,
    'Keys that sealed access tokens are encrypted with: `version:secret` pairs separated by commas, the one for new tokens first, ' +
      'each secret exactly 32 bytes in base64url. Tokens of a version that is taken out are worth nothing any more. Unset: they ' +
      'are derived from `GATEHOUSE_ENCRYPTION_KEYS`, and tokens end when the version there goes.',
    { secret: true },
  ),
  publicHostnames: sealed(
    'PUBLIC_HOSTNAMES',
    hostnames,
    'Host names that sealed access tokens are made for; a token works only at its own. Unset: that of `PUBLIC_URL`, and those of ' +
      'this machine (`localhost`, `127.0.0.1`, `[::1]`).',
  ),
  sealedAllowedOrigins: sealed(
    'SEALED_ALLOWED_ORIGINS',
    origins,
    'Origins that requests by sealed access tokens may name as `service.url`: the matched secret, or the token itself for ' +
      '`aisbreaker:network`, is sent there. https alone, but for this machine in development. Without any, such requests are refused.',
    { fallback: '' },
  ),
  anonymousTokens: sealed(
    'ANONYMOUS_TOKENS',
    z.enum(['on', 'off'], 'must be on or off'),
    'Whether sealed access tokens are made for callers without an API key, and `chat:dummy` answers callers without a token.',
    { fallback: 'on' },
  ),
  sealedGlobalQuota: sealed(
    'GATEHOUSE_SEALED_GLOBAL_QUOTA',
    quota,
    'Requests by sealed access tokens per minute/hour/day of one tenant, and of one token without quotas of its own.',
    { fallback: '600/3600/86400' },
  ),
  sealedClientQuota: sealed('GATEHOUSE_SEALED_CLIENT_QUOTA', quota, 'The same from one address (IPv6: one /64).', {
    fallback: '60/360/8640',
  }),
  anonymousGlobalQuota: sealed(
    'GATEHOUSE_ANONYMOUS_GLOBAL_QUOTA',
    quota,
    'Requests per minute/hour/day of all callers without an API key or a token together: those that have a token made.',
    { fallback: '100/600/1200' },
  ),
  anonymousClientQuota: sealed(
    'GATEHOUSE_ANONYMOUS_CLIENT_QUOTA',
    quota,
    'The same from one address (IPv6: one /64).',
    { fallback: '10/60/120' },
  ),
} as const;
