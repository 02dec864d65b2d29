import { logger } from '../platform/logging/index.js';
import { OidcIssuers } from './oidc-issuers.js';

logger.level = 'silent';

const nothing = { fetchJson: () => Promise.reject(new Error('down')) };

describe('OidcIssuers', () => {
  it("stores an issuer's keys together with its jwks_uri", () => {
    const issuers = new OidcIssuers(nothing);
    const store = issuers.keysOf({ issuer: 'https://a', jwksUri: null });
    expect(issuers.keysOf({ issuer: 'https://a', jwksUri: null })).toBe(store);
    const others = [
      { issuer: 'https://a', jwksUri: 'https://a/jwks' },
      { issuer: 'https://a', jwksUri: 'null' },
      { issuer: 'https://a', jwksUri: '' },
      { issuer: 'https://b', jwksUri: null },
      { issuer: 'https://a",null', jwksUri: null },
      { issuer: 'https://A', jwksUri: null },
    ].map((location) => issuers.keysOf(location));
    expect(new Set([store, ...others]).size).toBe(7);
  });

  it('keeps a bounded number, those that are in use', () => {
    const issuers = new OidcIssuers(nothing);
    const busy = issuers.keysOf({ issuer: 'https://busy', jwksUri: null });
    const idle = issuers.keysOf({ issuer: 'https://idle', jwksUri: null });
    for (let index = 0; index < 5_000; index += 1) {
      issuers.keysOf({ issuer: `https://issuer-${index}`, jwksUri: null });
      issuers.keysOf({ issuer: 'https://busy', jwksUri: null });
    }
    expect(issuers.keysOf({ issuer: 'https://busy', jwksUri: null })).toBe(busy);
    expect(issuers.keysOf({ issuer: 'https://idle', jwksUri: null })).not.toBe(idle);
  });
});
