import { createHash } from 'node:crypto';
import { z } from 'zod';
import { SEALED_TOKEN_PREFIX } from '../identity/index.js';
import type { QuotaLimits } from '../platform/config/index.js';

/** Checked before anything is decrypted. */
export const MOST_TOKEN_BYTES = 8_192;

/** The tenant of tokens that were made without a credential. A migration creates it; it has no members. */
export const ANONYMOUS_TENANT = 'gatehouse-anonymous';

/** A secret, and a prefix of the ids of the services that it is for. */
export interface ServiceSecret {
  readonly serviceId: string;
  readonly authSecret: string;
}

interface TokenQuotas {
  readonly global: QuotaLimits;
  readonly client: QuotaLimits;
}

/** The content of an opened token. */
export interface SealedToken {
  readonly jti: string;
  readonly hostname: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  readonly tenantId: string;
  readonly keyId: string | null;
  /** Null: the server's defaults. */
  readonly quotas: TokenQuotas | null;
  readonly secrets: readonly ServiceSecret[];
}

const SUBJECT = /^(.+)#aisbreaker$/;
const limits = z.tuple([z.int(), z.int(), z.int()]);

/** Short names, since a token has to fit into a header. */
const claimsSchema = z.object({
  jti: z.string().min(1),
  sub: z.string().regex(SUBJECT),
  iat: z.int(),
  exp: z.int(),
  t: z.string().min(1),
  k: z.string().optional(),
  q: z.object({ g: limits, c: limits }).optional(),
  s: z.array(z.tuple([z.string(), z.string()])),
});

export function claimsOf(token: SealedToken): z.infer<typeof claimsSchema> {
  const { quotas, keyId } = token;
  return {
    jti: token.jti,
    sub: `${token.hostname}#aisbreaker`,
    iat: Math.floor(token.issuedAtMs / 1000),
    exp: Math.floor(token.expiresAtMs / 1000),
    t: token.tenantId,
    ...(keyId === null ? {} : { k: keyId }),
    ...(quotas === null ? {} : { q: { g: [...quotas.global], c: [...quotas.client] } }),
    s: token.secrets.map(({ serviceId, authSecret }) => [serviceId, authSecret]),
  };
}

/** @returns null: not the claims of a token */
export function tokenOf(claims: unknown): SealedToken | null {
  const { success, data } = claimsSchema.safeParse(claims);
  if (!success) return null;
  return {
    jti: data.jti,
    hostname: SUBJECT.exec(data.sub)?.[1] ?? '',
    issuedAtMs: data.iat * 1000,
    expiresAtMs: data.exp * 1000,
    tenantId: data.t,
    keyId: data.k ?? null,
    quotas: data.q === undefined ? null : { global: data.q.g, client: data.q.c },
    secrets: data.s.map(([serviceId, authSecret]) => ({ serviceId, authSecret })),
  };
}

/** Identifies a token in the ledger, in quotas and in revocations, which do not have the token itself. */
export function tokenIdOf(jti: string): string {
  return createHash('sha256').update(jti).digest('hex');
}

/** @returns null: the text can't be a sealed access token */
export function sealedPartOf(token: string): string | null {
  if (!token.startsWith(SEALED_TOKEN_PREFIX) || token.length > MOST_TOKEN_BYTES) return null;
  return token.slice(SEALED_TOKEN_PREFIX.length);
}
