import { mock } from 'node:test';
import type { OutboundHttp } from '../platform/outbound/index.js';
import { BrowserSignIn } from './browser-sign-in.js';

const ISSUER = 'https://id.example.com/realms/acme';
const CLIENT = { issuer: ISSUER, clientId: 'gatehouse', scopes: 'openid', token: 'id' } as const;
const GOOD = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/auth`,
  token_endpoint: 'https://tokens.example.com:8443/token',
  revocation_endpoint: `${ISSUER}/revoke`,
  end_session_endpoint: null,
};

let nowMs = 0;
const answering = (document: object) => mock.fn(() => Promise.resolve({ status: 200, body: document }));
const failing = () => mock.fn(() => Promise.reject(new Error('connection refused')));
const of = (fetchJson: unknown): BrowserSignIn =>
  new BrowserSignIn(CLIENT, { fetchJson } as Pick<OutboundHttp, 'fetchJson'>, () => nowMs);

it('says where browsers sign in, and which origins they ask', async () => {
  const signIn = of(answering(GOOD));
  expect(await signIn.settings()).toEqual({
    ...CLIENT,
    authorizationEndpoint: `${ISSUER}/auth`,
    tokenEndpoint: 'https://tokens.example.com:8443/token',
    revocationEndpoint: `${ISSUER}/revoke`,
    namesIssuer: false,
  });
  expect(await signIn.origins()).toEqual(['https://tokens.example.com:8443', 'https://id.example.com']);
});

it.each([
  ['another issuer', { issuer: 'https://other.example.com' }],
  ['no token endpoint', { token_endpoint: undefined }],
  ['a relative address', { authorization_endpoint: '/auth' }],
  ['a list of addresses', { token_endpoint: ['https://id.example.com/token'] }],
  ['an address without TLS', { token_endpoint: 'http://id.example.com/token' }],
  ['an address of another scheme', { end_session_endpoint: 'javascript:alert(1)' }],
  ['a host that would end a directive of the policy', { token_endpoint: "https://a;script-src'*'/token" }],
  ['a host that the policy would read as a pattern', { revocation_endpoint: 'https://*/revoke' }],
])('a configuration with %s is not used', async (_what, change) => {
  const signIn = of(answering({ ...GOOD, ...change }));
  await expect(signIn.settings()).rejects.toMatchObject({ kind: 'unavailable' });
  expect(await signIn.origins()).toEqual([]);
});

it('a failing issuer is asked again after a pause, and what was known serves in the meantime', async () => {
  const down = failing();
  const unknown = of(down);
  await Promise.allSettled([unknown.settings(), unknown.settings(), unknown.origins()]);
  expect(down.mock.callCount()).toBe(1);
  nowMs += 5_000;
  await Promise.allSettled([unknown.settings()]);
  expect(down.mock.callCount()).toBe(2);

  const fetchJson = answering(GOOD);
  const known = of(fetchJson);
  await known.settings();
  await known.settings();
  expect(fetchJson.mock.callCount()).toBe(1);
  fetchJson.mock.mockImplementation(() => Promise.reject(new Error('connection refused')));
  nowMs += 60 * 60_000;
  expect(await known.settings()).toMatchObject({ clientId: 'gatehouse' });
  expect(fetchJson.mock.callCount()).toBe(2);
});
