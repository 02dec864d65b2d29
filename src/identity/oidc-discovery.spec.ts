import type http from 'node:http';
import { startUserIssuer, type UserIssuer } from '../../test/support/oidc-issuer.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { fetchIssuerKeys } from './oidc-discovery.js';

const outbound = new OutboundHttp({
  connectTimeoutMs: 1000,
  mode: 'development',
  outboundAllowCidrs: ['127.0.0.1/32'],
});
const production = new OutboundHttp({
  connectTimeoutMs: 1000,
  mode: 'production',
  outboundAllowCidrs: ['127.0.0.1/32'],
});
let issuer: UserIssuer;

beforeEach(async () => {
  issuer = await startUserIssuer({ protocol: 'http:', alg: 'ES256' });
});

afterEach(() => issuer.stop());

afterAll(async () => {
  await Promise.all([outbound.onApplicationShutdown(), production.onApplicationShutdown()]);
});

const answering =
  (status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}) =>
  (response: http.ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

const discover = (name = issuer.issuer): ReturnType<typeof fetchIssuerKeys> =>
  fetchIssuerKeys({ issuer: name, jwksUri: null }, outbound, 'tenant');

describe('discovery', () => {
  it("finds an issuer's keys, and how long they are valid", async () => {
    issuer.cacheControl = 'max-age=600';
    expect(await discover()).toEqual({ keys: issuer.jwks().keys, maxAgeSeconds: 600 });
    expect(issuer.requests).toEqual(['/.well-known/openid-configuration', '/jwks.json']);
  });

  it.each(['/realms/acme', '/realms/acme/', '/'])('asks below the path of an issuer at %s', async (path) => {
    const realm = await startUserIssuer({ protocol: 'http:', alg: 'ES256', path });
    try {
      expect(await discover(realm.issuer)).toMatchObject({ keys: realm.jwks().keys });
      expect(realm.requests).toEqual([realm.discoveryPath, realm.jwksPath]);
    } finally {
      await realm.stop();
    }
  });

  it.each<[string, (configuration: Record<string, unknown>) => unknown, RegExp]>([
    ['another issuer', (known) => ({ ...known, issuer: 'https://issuer.example.com' }), /another issuer/],
    ['the issuer with a slash more', (known) => ({ ...known, issuer: `${issuer.issuer}/` }), /another issuer/],
    ['the issuer in capitals', (known) => ({ ...known, issuer: issuer.issuer.toUpperCase() }), /another issuer/],
    ['no issuer', (known) => ({ ...known, issuer: undefined }), /another issuer/],
    ['no jwks_uri', (known) => ({ ...known, jwks_uri: undefined }), /no jwks_uri/],
    ['a jwks_uri that is not text', (known) => ({ ...known, jwks_uri: [issuer.jwksUri] }), /no jwks_uri/],
    ['a jwks_uri that is not a URL', (known) => ({ ...known, jwks_uri: '/jwks.json' }), /not allowed/],
    ['a jwks_uri of another scheme', (known) => ({ ...known, jwks_uri: 'file:///etc/passwd' }), /not allowed/],
    ['a list', (known) => [known], /another issuer/],
    ['null', () => null, /another issuer/],
    ['a body that is not JSON', () => '<html>', /another issuer/],
  ])('refuses a configuration that has %s', async (_what, change, message) => {
    issuer.answers.set(issuer.discoveryPath, answering(200, change(issuer.configuration())));
    await expect(discover()).rejects.toThrow(message);
    expect(issuer.fetches.jwks).toBe(0);
  });

  it.each([301, 302, 303, 307, 308])('follows no redirect of the configuration (%i)', async (status) => {
    const target = `${issuer.origin}/elsewhere`;
    issuer.answers.set(issuer.discoveryPath, answering(status, issuer.configuration(), { location: target }));
    issuer.answers.set('/elsewhere', answering(200, issuer.configuration()));
    await expect(discover()).rejects.toThrow(/status 30/);
    expect(issuer.requests).toEqual([issuer.discoveryPath]);
  });

  it.each([301, 302, 303, 307, 308])('follows no redirect of the keys (%i)', async (status) => {
    issuer.answers.set(issuer.jwksPath, answering(status, issuer.jwks(), { location: `${issuer.origin}/elsewhere` }));
    issuer.answers.set('/elsewhere', answering(200, issuer.jwks()));
    await expect(discover()).rejects.toThrow(/status 30/);
    await expect(fetchIssuerKeys(issuer, outbound, 'tenant')).rejects.toThrow(/status 30/);
    expect(issuer.requests).not.toContain('/elsewhere');
  });

  it('never calls an address in a configuration that a tenant must not make us call', async () => {
    const hidden = await startUserIssuer({ protocol: 'http:', alg: 'ES256' });
    try {
      const uri = hidden.jwksUri.replace('127.0.0.1', '127.0.0.2');
      issuer.answers.set(issuer.discoveryPath, answering(200, { ...issuer.configuration(), jwks_uri: uri }));
      await expect(discover()).rejects.toMatchObject({ reason: 'forbidden' });
    } finally {
      await hidden.stop();
    }
  });

  it.each(['discoveryPath', 'jwksPath'] as const)('refuses an answer of more than 256 KiB (%s)', async (where) => {
    const document = where === 'jwksPath' ? issuer.jwks() : issuer.configuration();
    issuer.answers.set(issuer[where], answering(200, { ...document, padding: 'x'.repeat(256 * 1024) }));
    await expect(discover()).rejects.toMatchObject({ reason: 'too_large' });
  });

  it.each(['/?tenant=a', '/realms/acme?', '/#a'])('refuses an issuer at %j', async (rest) => {
    await expect(discover(issuer.origin + rest)).rejects.toThrow();
    expect(issuer.requests).toEqual([]);
  });

  it.each(['accounts.example.com', 'urn:issuer', ''])('refuses the issuer %j', async (name) => {
    await expect(discover(name)).rejects.toMatchObject({ reason: 'forbidden' });
  });

  it('in production calls over https only', async () => {
    for (const jwksUri of [null, issuer.jwksUri]) {
      await expect(fetchIssuerKeys({ issuer: issuer.issuer, jwksUri }, production, 'tenant')).rejects.toMatchObject({
        reason: 'forbidden',
      });
    }
    expect(issuer.requests).toEqual([]);
  });
});
