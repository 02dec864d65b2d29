import type { Settings } from '../platform/config/index.js';
import { randomBase62 } from '../platform/crypto/index.js';

/** 27 characters of base62 are 160 bits. */
const TOKEN_LENGTH = 27;
const TOKEN = /^inv_[0-9A-Za-z]{27}$/;
const LIFETIME_MS = 7 * 24 * 60 * 60 * 1000;

export const newInvitationToken = (): string => `inv_${randomBase62(TOKEN_LENGTH)}`;

export const isInvitationToken = (text: string): boolean => TOKEN.test(text);

export const expiryOf = (createdAt: Date): Date => new Date(createdAt.getTime() + LIFETIME_MS);

/**
 * The token stands in the fragment, which browsers send to no server: no log holds it. In production undefined unless the
 * operator named an address: an attacker could send a `Host` of theirs, and get the link.
 *
 * @param here where the request came to, which development alone goes by
 */
export function invitationLink(
  { mode, dashboardUrl, publicUrl }: Pick<Settings, 'mode' | 'dashboardUrl' | 'publicUrl'>,
  token: string,
  here?: string,
): string | undefined {
  const base = dashboardUrl ?? publicUrl ?? (mode === 'development' ? here : undefined);
  return base && `${base.replace(/\/+$/, '')}/accept-invitation#token=${token}`;
}
