export interface SignedIn {
  readonly userId: string;
  readonly email: string | null;
  /** Null: the user is in no tenant. */
  readonly tenantId: string | null;
}

export interface Token {
  readonly text: string;
  readonly who: SignedIn;
  readonly expiresAtMs: number;
}

/** A token that ends sooner is renewed before it is sent. */
const LEAST_LIFE_MS = 60_000;

export const lives = ({ expiresAtMs }: Token): boolean => expiresAtMs - Date.now() > LEAST_LIFE_MS;

/** The claims are only shown, never trusted: the API verifies the token. */
export function readToken(text: string): Token {
  const [, payload = ''] = text.split('.');
  const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const textOf = (claim: unknown): string | null => (typeof claim === 'string' && claim !== '' ? claim : null);
  return {
    text,
    who: { userId: String(claims['sub']), email: textOf(claims['email']), tenantId: textOf(claims['tenant_id']) },
    expiresAtMs: Number(claims['exp']) * 1000,
  };
}
