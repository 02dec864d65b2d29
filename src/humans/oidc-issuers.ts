import { Inject, Injectable } from '@nestjs/common';
import { fetchIssuerKeys, OIDC_ALGORITHMS, type IssuerLocation } from '../identity/index.js';
import { boundedCache } from '../platform/caches/index.js';
import { JwksKeyStore } from '../platform/crypto/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { logger } from '../platform/logging/index.js';

/** Issuers whose keys are kept. The one that was asked for least recently goes. */
const MAX_ISSUERS = 2_000;
/** Far more than issuers publish. With the bound above it keeps what tenants can make us hold within some 100 MB. */
const MAX_KEYS_PER_ISSUER = 32;

/**
 * The public keys of the issuers that tenants chose. Guarantees: keys are kept by issuer and `jwks_uri` together, so that
 * naming another's issuer beside a `jwks_uri` of one's own affects that configuration alone; only what a key's configuration
 * says is ever fetched, at the pace of JwksKeyStore: invented issuers cause no fetch, invented kids one in 30 seconds.
 */
@Injectable()
export class OidcIssuers {
  private readonly stores = boundedCache<JwksKeyStore>({ maxEntries: MAX_ISSUERS });

  constructor(@Inject(OutboundHttp) private readonly outbound: Pick<OutboundHttp, 'fetchJson'>) {}

  keysOf({ issuer, jwksUri }: IssuerLocation): JwksKeyStore {
    const name = JSON.stringify([issuer, jwksUri]);
    const known = this.stores.get(name);
    if (known !== undefined) return known;
    const store = new JwksKeyStore({
      fetchJwks: () => fetchIssuerKeys({ issuer, jwksUri }, this.outbound, 'tenant'),
      allowedAlgorithms: OIDC_ALGORITHMS,
      maxKeys: MAX_KEYS_PER_ISSUER,
      onFetchFailed: (error) => logger.warn({ err: error, issuer }, "An issuer's public keys could not be fetched."),
    });
    this.stores.set(name, store);
    return store;
  }
}
