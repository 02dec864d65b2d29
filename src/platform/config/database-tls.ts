/** How the addresses of Postgres say whether a connection is encrypted, and by whose word the server is believed. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** By variable. */
type Addresses = Readonly<Record<string, string | undefined>>;

const VERIFIED = 'verify-full';
const PLAIN = 'disable';
/** The driver's own ways to say it, which pg_dump does not know. */
const OTHER_SPELLINGS = ['ssl', 'uselibpqcompat'];

export const certificateFile: z.ZodType<string> = z
  .string()
  .refine(
    (file) => holdsCertificates(file),
    'must be the path of a PEM file with certificates that the service can read',
  );

function holdsCertificates(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').includes('-----BEGIN CERTIFICATE-----');
  } catch {
    return false;
  }
}

/**
 * What is wrong with the addresses. A mode between the two would encrypt without knowing for whom: anyone who stands between the
 * service and Postgres can answer.
 */
export function problemsOfTls(addresses: Addresses): string[] {
  return Object.entries(addresses).flatMap(([variable, address]) => {
    if (address === undefined) return [];
    const { searchParams } = new URL(address);
    const mode = searchParams.get('sslmode');
    const spelling = OTHER_SPELLINGS.find((name) => searchParams.has(name));
    if (spelling === undefined && (mode === null || mode === VERIFIED || mode === PLAIN)) return [];
    return [
      `${variable} has ${spelling ?? `sslmode=${mode}`}, which Gatehouse does not take: write sslmode=${VERIFIED}, with DATABASE_CA_FILE for an authority of your own, or sslmode=${PLAIN}`,
    ];
  });
}

/** The address with the authority's file in it, where the driver and Postgres' own programs look for it. */
export function withAuthority(address: string, file: string): string {
  const url = new URL(address);
  if (url.searchParams.get('sslmode') === PLAIN) return address;
  url.searchParams.set('sslmode', VERIFIED);
  if (!url.searchParams.has('sslrootcert')) url.searchParams.set('sslrootcert', file);
  return url.href;
}
