import ipaddr from 'ipaddr.js';
import { z } from 'zod';

export const integer = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);

export const zeroOr = (min: number, max: number): z.ZodType<number> =>
  integer(0, max).refine((value) => value === 0 || value >= min, `must be 0, or a whole number from ${min} to ${max}`);

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether a URL's host name leads to this machine. */
export const isLoopback = (hostname: string): boolean => LOOPBACK.test(hostname);

export const url = (...protocols: string[]): z.ZodType<string> =>
  z.string().refine(
    (value) => {
      const parsed = URL.canParse(value) ? new URL(value) : null;
      return parsed !== null && protocols.includes(parsed.protocol);
    },
    `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  );

export const list: z.ZodType<readonly string[]> = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

export const cidrs: z.ZodType<readonly string[]> = list.refine(
  // A range of all addresses is refused: a service that trusts it believes every caller.
  (ranges) => ranges.every((range) => ipaddr.isValidCIDR(range) && !range.endsWith('/0')),
  'must be address ranges like 10.1.0.0/16 or fd00::/8, separated by commas; a range of all addresses is not allowed',
);

export const flag: z.ZodType<boolean> = z
  .enum(['0', '1', 'true', 'false'], 'must be 1 or 0')
  .transform((value) => value === '1' || value === 'true');

/**
 * `version:secret` pairs, newest first.
 *
 * @param fits whether a secret's number of bytes will do
 */
const versionedSecrets = (
  fits: (bytes: number) => boolean,
  size: string,
): z.ZodType<readonly (Pepper & EncryptionKey)[]> =>
  z.string().transform((value, context) => {
    const parsed: (Pepper & EncryptionKey)[] = [];
    for (const part of value.split(',')) {
      const match = /^\s*(\d{1,9}):([A-Za-z0-9_-]+={0,2})\s*$/.exec(part);
      const secret = Buffer.from(match?.[2] ?? '', 'base64url');
      if (match === null || !fits(secret.length)) {
        context.addIssue(`must be \`version:secret\` pairs separated by commas, each secret ${size} in base64url`);
        return z.NEVER;
      }
      parsed.push({ version: Number(match[1]), secret });
    }
    if (new Set(parsed.map(({ version }) => version)).size !== parsed.length) {
      context.addIssue('names a version twice');
      return z.NEVER;
    }
    return parsed;
  });

export const peppers: z.ZodType<readonly Pepper[]> = versionedSecrets((bytes) => bytes >= 32, 'at least 32 bytes');

/** AES-256 takes 32 bytes, no more and no fewer. */
export const encryptionKeys: z.ZodType<readonly EncryptionKey[]> = versionedSecrets(
  (bytes) => bytes === 32,
  'exactly 32 bytes',
);

/** A secret that keys are stored under; the first of the list is the one for new keys. */
export interface Pepper {
  readonly version: number;
  readonly secret: Buffer;
}

/** A key that data keys are encrypted with; the first of the list is the one for new ones. */
export interface EncryptionKey {
  readonly version: number;
  readonly secret: Buffer;
}

export interface SettingDefinition<T = unknown> {
  readonly variable: string;
  readonly group: string;
  readonly description: string;
  readonly schema: z.ZodType<T>;
  /** As it would be written in the environment; absent: unset. */
  readonly fallback?: string;
  /** What the documentation shows where the default depends on the mode. */
  readonly fallbackNote?: string;
  readonly secret?: true;
  readonly requiredInProduction?: true;
}

function setting<T, F extends string | undefined = undefined>(
  definition: Omit<SettingDefinition<T>, 'fallback'> & { fallback?: F },
): SettingDefinition<F extends string ? T : T | undefined> {
  return definition as SettingDefinition<F extends string ? T : T | undefined>;
}

export const group = <const G extends string>(name: G) => ({
  define: <T, F extends string | undefined = undefined>(
    variable: string,
    schema: z.ZodType<T>,
    description: string,
    options: { fallback?: F; fallbackNote?: string; secret?: true; requiredInProduction?: true } = {},
  ) => setting<T, F>({ variable, group: name, description, schema, ...options }),
});
