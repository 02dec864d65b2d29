import { Inject, Injectable } from '@nestjs/common';
import { ExpiredCredentialFault, refusedCredential, type SealedTokenPrincipal } from '../identity/index.js';
import type { Route } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, KnownSecrets, Revocations } from '../platform/database/index.js';
import { PublicHostnames } from './public-hostnames.js';
import { SealedKeys } from './sealed-keys.js';
import { sealedPartOf, tokenIdOf, tokenOf, type SealedToken } from './sealed-token.js';

const FIND = { name: 'find_sealed_token', text: 'SELECT * FROM find_sealed_token($1, $2, $3, $4)' };
/** Each entry has up to 8 KiB of secrets, and their providers. */
const MOST_OPENED = 4_096;

interface FoundRow {
  readonly expires_at: Date | null;
}

/** A token without its prefix, and the host name at which it is presented. */
interface Presented {
  readonly sealed: string;
  readonly hostname: string;
}

/** A good token with its secrets. Only for the code that calls providers. */
export interface OpenedToken extends SealedToken {
  readonly principal: SealedTokenPrincipal;
  /** The routes that its secrets led to, by service. */
  readonly routes: Map<string, Route>;
}

/**
 * Finds the principal and the secrets of a presented token. Only tokens that one of our keys sealed for this host name open.
 *
 * - A revoked token, or one of a revoked key, is refused on every replica within 1 s (KnownSecrets); expiry
 *   follows the database's clock.
 * - A known token costs no decryption and no query; no token is stored.
 * - All refusals read the same. A bad token costs at most one decryption; a revoked one also a query.
 */
@Injectable()
export class SealedTokenDirectory {
  private readonly known: KnownSecrets<OpenedToken, Presented>;
  /** Apart from the principals, which hold no secrets; both are forgotten together. */
  private readonly opened = new WeakMap<SealedTokenPrincipal, OpenedToken>();

  constructor(
    private readonly database: Database,
    revocations: Revocations,
    private readonly keys: SealedKeys,
    private readonly hostnames: PublicHostnames,
    @Inject(SETTINGS_TOKEN) settings: Pick<Settings, 'credentialCacheEntries'>,
  ) {
    this.known = new KnownSecrets({
      revocations,
      maxEntries: Math.min(settings.credentialCacheEntries, MOST_OPENED),
      load: (presented: Presented) => this.load(presented),
      topics: { 'sealed-token': () => 'all', 'api-key': ({ keyId }) => keyId ?? '' },
    });
  }

  /**
   * @param hostname where the token is presented
   * @throws Fault unauthenticated (the same for every bad token), unavailable
   */
  async authenticate(token: string, hostname: string): Promise<SealedTokenPrincipal> {
    const sealed = sealedPartOf(token);
    if (sealed === null) throw refusedCredential('unreadable_sealed_token');
    const found = this.known.find(`${hostname}\0${sealed}`, { sealed, hostname });
    const known = found instanceof Promise ? await found : found;
    if (known === null) throw refusedCredential('revoked_sealed_token');
    this.assertNotOver(known);
    return known.principal;
  }

  /** @param principal from `authenticate` */
  openedBy(principal: SealedTokenPrincipal): OpenedToken {
    const opened = this.opened.get(principal);
    if (opened === undefined) throw new TypeError('This principal is not of a token that was opened here.');
    return opened;
  }

  private assertNotOver(token: Pick<SealedToken, 'expiresAtMs'>): void {
    if (this.known.isOver(token)) throw new ExpiredCredentialFault('expired_sealed_token');
  }

  /** @returns null: it is revoked, or its key or tenant is gone */
  private async load({ sealed, hostname }: Presented): Promise<OpenedToken | null> {
    const token = tokenOf(await this.keys.open('token', sealed));
    if (token === null) throw refusedCredential('unreadable_sealed_token');
    if (token.hostname !== hostname || !this.hostnames.has(hostname)) {
      throw refusedCredential('sealed_token_of_another_host');
    }
    this.assertNotOver(token);
    const { tenantId, keyId } = token;
    const tokenId = tokenIdOf(token.jti);
    const [row] = await this.database.lookUp<FoundRow & Record<string, unknown>>(FIND, [
      tenantId,
      keyId,
      tokenId,
      new Date(token.issuedAtMs),
    ]);
    if (row === undefined) return null;
    const principal: SealedTokenPrincipal = Object.freeze({ kind: 'sealedToken', tenantId, tokenId, keyId });
    const opened: OpenedToken = {
      ...token,
      expiresAtMs: Math.min(token.expiresAtMs, row.expires_at?.getTime() ?? Infinity),
      principal,
      routes: new Map(),
    };
    this.opened.set(principal, opened);
    return opened;
  }
}
