import { Inject, Injectable } from '@nestjs/common';
import { ExpiredCredentialFault, refusedCredential, type SealedTokenPrincipal } from '../identity/index.js';
import type { Route } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, KnownSecrets, Revocations } from '../platform/database/index.js';
import { PublicHostnames } from './public-hostnames.js';
import { SealedKeys } from './sealed-keys.js';
import { sealedPartOf, tokenIdOf, tokenOf, type SealedToken } from './sealed-token.js';

const FIND = { name: 'find_sealed_token', text: 'SELECT * FROM find_sealed_token($1, $2, $3, $4)' };
/** Each has up to 8 KiB of secrets in it, and their providers. */
const MOST_OPENED = 4_096;

interface FoundRow {
  readonly expires_at: Date | null;
}

/** A token without its prefix, and where it is presented. */
interface Presented {
  readonly sealed: string;
  readonly hostname: string;
}

/** A token that is known to be good, with its secrets: for the code that calls providers alone. */
export interface OpenedToken extends SealedToken {
  readonly principal: SealedTokenPrincipal;
  /** The ways that were found by its secrets, by service. */
  readonly routes: Map<string, Route>;
}

/**
 * From a presented token to whom it stands for, and to its secrets. Guarantees: only what a key of ours sealed opens, at the host
 * name that it was made for; one that is revoked, or whose key is, is refused on every replica within 1 s (KnownSecrets); an
 * expired one by the database's clock; a known one costs neither a decryption nor a query. Nothing of a token is stored. All bad
 * ones are told the same, after one decryption and no query; those that are revoked, after one query more.
 */
@Injectable()
export class SealedTokenDirectory {
  private readonly known: KnownSecrets<OpenedToken, Presented>;
  /** Beside principals, which hold no secrets; they go together. */
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
   * @param hostname where it is presented
   * @throws Fault unauthenticated (the same for all that are not good), unavailable
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

  /** @param principal of `authenticate` */
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
    const [row] = await this.database.call<FoundRow & Record<string, unknown>>(FIND, [
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
