import { EndUsers, publishableKey } from '../../test/support/end-users.js';
import { newIssuerKey, startUserIssuer, type UserIssuer } from '../../test/support/oidc-issuer.js';
import type { Fault } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { logger } from '../platform/logging/index.js';

// Issuers go down here on purpose, and each outage logs a warning.
logger.level = 'silent';

const outbound = new OutboundHttp({
  connectTimeoutMs: 1000,
  mode: 'development',
  outboundAllowCidrs: ['127.0.0.0/8'],
});
/** A client whose operator allows no private address. */
const strict = new OutboundHttp({ connectTimeoutMs: 1000, mode: 'development' });
const issuers: UserIssuer[] = [];

afterAll(async () => {
  await Promise.all([outbound.onApplicationShutdown(), strict.onApplicationShutdown()]);
  await Promise.all(issuers.map((issuer) => issuer.stop()));
});

async function startIssuer(): Promise<UserIssuer> {
  const issuer = await startUserIssuer({ protocol: 'http:', alg: 'ES256' });
  issuers.push(issuer);
  return issuer;
}

describe("the issuer's keys", () => {
  it('are fetched once for any number of users, and not again for a request', async () => {
    const issuer = await startIssuer();
    const users = new EndUsers(outbound);
    const tokens = Array.from({ length: 50 }, (_, index) => issuer.token({ sub: `user-${index}` }));
    await Promise.all(tokens.map((token) => users.present(publishableKey(issuer), token)));
    for (const token of tokens) await users.present(publishableKey(issuer), token);
    expect(issuer.fetches).toEqual({ discovery: 1, jwks: 1 });
  });

  it('are fetched from the jwks_uri of the configuration, without discovery', async () => {
    const issuer = await startIssuer();
    const key = publishableKey(issuer, { oidc: { jwksUri: issuer.jwksUri } });
    await new EndUsers(outbound).present(key, issuer.token());
    expect(issuer.fetches).toEqual({ discovery: 0, jwks: 1 });
  });

  it("of one configuration never serve another: naming another's issuer with one's own jwks_uri gives no access to its users", async () => {
    const [theirs, evil] = [await startIssuer(), await startIssuer()];
    const users = new EndUsers(outbound);
    const forged = evil.token({ iss: theirs.issuer, sub: 'victim' });
    // The attacker's own jwks_uri does serve the attacker's own tenant.
    const own = publishableKey(theirs, { tenantId: 'evil-1', oidc: { jwksUri: evil.jwksUri } });
    await expect(users.present(own, forged)).resolves.toMatchObject({ tenantId: 'evil-1' });
    for (const jwksUri of [null, theirs.jwksUri]) {
      const key = publishableKey(theirs, { oidc: { jwksUri } });
      expect(await users.refusal(key, forged)).toMatchObject({ kind: 'unauthenticated' });
      await expect(users.present(key, theirs.token())).resolves.toMatchObject({ tenantId: 'acme-1' });
    }
  });

  it('are not fetched for tokens of invented issuers, and once for invented kids', async () => {
    const issuer = await startIssuer();
    const users = new EndUsers(outbound);
    for (let index = 0; index < 20; index += 1) {
      await users.refusal(publishableKey(issuer), issuer.token({ iss: `${issuer.origin}/${index}` }));
    }
    expect(issuer.requests).toEqual([]);
    for (let index = 0; index < 20; index += 1) {
      const header = { jku: `${issuer.origin}/${index}`, x5u: `${issuer.origin}/${index}` };
      await users.present(publishableKey(issuer), issuer.token({}, { header }));
    }
    expect(issuer.requests).toEqual([issuer.discoveryPath, issuer.jwksPath]);
    for (let index = 0; index < 50; index += 1) {
      const token = issuer.token({}, { header: { kid: `invented-${index}` } });
      expect(await users.refusal(publishableKey(issuer), token)).toMatchObject({ kind: 'unauthenticated' });
    }
    expect(issuer.requests).toHaveLength(2);
  });

  it('serve a token without a kid where there is one key, and no such token where there are several', async () => {
    const issuer = await startIssuer();
    issuer.keys = [newIssuerKey('ES256', null)];
    await expect(new EndUsers(outbound).present(publishableKey(issuer), issuer.token())).resolves.toMatchObject({
      human: 'user-1',
    });
    issuer.keys = [...issuer.keys, newIssuerKey('ES256', null)];
    expect(await new EndUsers(outbound).refusal(publishableKey(issuer), issuer.token())).toMatchObject({
      kind: 'unauthenticated',
    });
  });

  it('give 503 without an address while the issuer is down and no key is cached, and work afterwards', async () => {
    const issuer = await startIssuer();
    const users = new EndUsers(outbound);
    await issuer.goDown();
    const error = await users.refusal(publishableKey(issuer), issuer.token());
    expect(error).toMatchObject({ kind: 'unavailable', status: 503, retryAfterSeconds: 5 });
    expect((error as Fault).message).not.toMatch(/\d+\.\d+|127|http|ECONN|:\d/);
    await issuer.comeBack();
    await expect(new EndUsers(outbound).present(publishableKey(issuer), issuer.token())).resolves.toMatchObject({
      human: 'user-1',
    });
  });

  it('that are cached keep working while the issuer is down', async () => {
    const issuer = await startIssuer();
    const users = new EndUsers(outbound);
    await users.present(publishableKey(issuer), issuer.token());
    await issuer.goDown();
    await expect(users.present(publishableKey(issuer), issuer.token())).resolves.toMatchObject({ human: 'user-1' });
  });

  it('are never fetched from an address that a tenant must not make us call', async () => {
    const issuer = await startIssuer();
    const users = new EndUsers(strict);
    for (const jwksUri of [null, issuer.jwksUri]) {
      const error = await users.refusal(publishableKey(issuer, { oidc: { jwksUri } }), issuer.token());
      expect(error).toMatchObject({ kind: 'unavailable' });
    }
    expect(issuer.requests).toEqual([]);
  });
});
