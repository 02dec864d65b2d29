import { SCOPES } from '../identity/index.js';
import { readMessage } from '../platform/protojson/index.js';
import {
  createKeyRequest,
  createPublishableKeyRequest,
  listKeysRequest,
  rotateKeyRequest,
  updateKeyRequest,
} from './keys.dto.js';

const bytes = (message: unknown): Buffer => Buffer.from(JSON.stringify(message));
const faultAt = (field: string) =>
  expect.objectContaining({
    kind: 'invalid_input',
    fields: expect.arrayContaining([expect.objectContaining({ field })]) as unknown,
  }) as Error;

it("a request in the contract's own spelling is accepted", () => {
  const request = {
    name: 'n',
    permissions: ['chat:write'],
    rate_limit: { requests_per_minute: '60' },
    expires_at: '2030-01-31T12:00:00+02:00',
  };
  expect(readMessage(bytes(request), createKeyRequest)).toEqual({
    name: 'n',
    description: '',
    permissions: ['chat:write'],
    rateLimit: { requestsPerMinute: 60 },
    expiresAt: new Date('2030-01-31T10:00:00Z'),
  });
});

it.each<[string, Record<string, unknown>]>([
  ['name', {}],
  ['name', { name: '' }],
  ['name', { name: 'x'.repeat(101) }],
  ['name', { name: 7 }],
  ['description', { name: 'n', description: 'x'.repeat(1001) }],
  ['permissions', { name: 'n', permissions: 'chat:write' }],
  ['permissions.0', { name: 'n', permissions: ['chat:*'] }],
  ['permissions.1', { name: 'n', permissions: ['chat:write', 'admin'] }],
  ['permissions', { name: 'n', permissions: ['chat:write', 'chat:write'] }],
  ['permissions', { name: 'n', permissions: [...SCOPES, ...SCOPES] }],
  ['rateLimit', { name: 'n', rateLimit: 60 }],
  ['rateLimit.requestsPerMinutePerHuman', { name: 'n', rateLimit: { requestsPerMinutePerHuman: -1 } }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: -1 } }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: 1.5 } }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: 1_000_000_001 } }],
  ['expiresAt', { name: 'n', expiresAt: 'tomorrow' }],
  ['type', { name: 'n', type: 'PUBLISHABLE' }],
  ['tenantId', { name: 'n', tenantId: 'globex' }],
  ['hash', { name: 'n', hash: 'x' }],
])('a new key with a bad %s is refused, naming the field: %j', (field, request) => {
  expect(() => readMessage(bytes(request), createKeyRequest)).toThrow(faultAt(field));
});

it.each<[string, Record<string, unknown>]>([
  ['keyId', { name: 'n' }],
  ['keyId', { keyId: '' }],
  ['neverExpires', { keyId: 'k', neverExpires: 'true' }],
  ['revokedAt', { keyId: 'k', revokedAt: null }],
  ['status', { keyId: 'k', status: 'ACTIVE' }],
])('a change with a bad %s is refused, naming the field: %j', (field, request) => {
  expect(() => readMessage(bytes(request), updateKeyRequest)).toThrow(faultAt(field));
});

it.each<[number | string | null | undefined, number]>([
  [undefined, 0],
  [null, 0],
  [0, 0],
  [1, 1],
  ['500', 500],
])('a page may have the size %j', (pageSize, read) => {
  expect(readMessage(bytes({ pageSize }), listKeysRequest)).toEqual({ pageSize: read, pageToken: '', search: '' });
});

it.each([-1, 501, 1.5, 'ten', true])('a page may not have the size %j', (pageSize) => {
  expect(() => readMessage(bytes({ pageSize }), listKeysRequest)).toThrow(faultAt('pageSize'));
});

describe('a new publishable key', () => {
  const oidcConfig = { issuer: 'https://issuer.example', audience: 'app' };

  it("is accepted in the contract's own spelling", () => {
    const request = {
      name: 'n',
      permissions: ['chat:write'],
      rate_limit: { requests_per_minute: 600, requests_per_minute_per_human: '6' },
      oidc_config: { ...oidcConfig, jwks_uri: 'https://keys.example/jwks', human_prefix: 'app:' },
      allowed_origins: ['https://app.example', 'https://app.example'],
      default_limits: [{ type: 'token_cnt', value: '1.5' }],
    };
    expect(readMessage(bytes(request), createPublishableKeyRequest)).toEqual({
      name: 'n',
      description: '',
      permissions: ['chat:write'],
      rateLimit: { requestsPerMinute: 600, requestsPerMinutePerHuman: 6 },
      oidcConfig: { ...oidcConfig, jwksUri: 'https://keys.example/jwks', humanPrefix: 'app:' },
      allowedOrigins: ['https://app.example'],
      defaultLimits: [{ type: 'token_cnt', microUnits: '1500000' }],
      unlimited: false,
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['permissions.0', { permissions: ['usage:write'] }],
    ['permissions.1', { permissions: ['chat:write', 'users:impersonate'] }],
    ['permissions', { permissions: ['chat:write', 'chat:write'] }],
    ['rateLimit.requestsPerMinutePerHuman', { rateLimit: { requestsPerMinutePerHuman: -1 } }],
    ['oidcConfig', { oidcConfig: 'https://issuer.example' }],
    ['oidcConfig.issuer', { oidcConfig: { audience: 'app' } }],
    ['oidcConfig.issuer', { oidcConfig: { ...oidcConfig, issuer: '' } }],
    ['oidcConfig.issuer', { oidcConfig: { ...oidcConfig, issuer: `https://${'a'.repeat(2048)}` } }],
    ['oidcConfig.audience', { oidcConfig: { issuer: oidcConfig.issuer } }],
    ['oidcConfig.audience', { oidcConfig: { ...oidcConfig, audience: '' } }],
    ['oidcConfig.audience', { oidcConfig: { ...oidcConfig, audience: ['app'] } }],
    ['oidcConfig.jwksUri', { oidcConfig: { ...oidcConfig, jwksUri: 7 } }],
    ['oidcConfig.humanPrefix', { oidcConfig: { ...oidcConfig, humanPrefix: 'x'.repeat(65) } }],
    ['oidcConfig.humanPrefix', { oidcConfig: { ...oidcConfig, humanPrefix: 'x\0' } }],
    ['oidcConfig.algorithms', { oidcConfig: { ...oidcConfig, algorithms: ['none'] } }],
    ['allowedOrigins', { allowedOrigins: 'https://app.example' }],
    ['allowedOrigins.1', { allowedOrigins: ['https://app.example', '*'] }],
    ['defaultLimits', { defaultLimits: { type: 'token_cnt', value: 1 } }],
    ['defaultLimits.0.type', { defaultLimits: [{ type: 'tokens', value: 1 }] }],
    ['defaultLimits.0.type', { defaultLimits: [{ value: 1 }] }],
    ['defaultLimits.0.value', { defaultLimits: [{ type: 'token_cnt' }] }],
    ['defaultLimits.0.value', { defaultLimits: [{ type: 'token_cnt', value: -1 }] }],
    ['defaultLimits.0.value', { defaultLimits: [{ type: 'token_cnt', value: 0.1234567 }] }],
    ['defaultLimits.0.window', { defaultLimits: [{ type: 'token_cnt', value: 1, window: 'day' }] }],
    [
      'defaultLimits',
      {
        defaultLimits: [
          { type: 'token_cnt', value: 1 },
          { type: 'token_cnt', value: 2 },
        ],
      },
    ],
    ['unlimited', { unlimited: 'yes' }],
    ['tenantId', { tenantId: 'globex' }],
  ])('with a bad %s is refused, naming the field: %j', (field, wrong) => {
    const request = { name: 'n', oidcConfig, unlimited: true, ...wrong };
    expect(() => readMessage(bytes(request), createPublishableKeyRequest)).toThrow(faultAt(field));
  });
});

it('a rotation may have a grace of 30 days, and has none by default', () => {
  const read = (message: object) => readMessage(bytes({ keyId: 'k', ...message }), rotateKeyRequest);
  expect(read({})).toEqual({ keyId: 'k', gracePeriodSeconds: 0 });
  expect(read({ grace_period_seconds: '2592000' })).toEqual({ keyId: 'k', gracePeriodSeconds: 2_592_000 });
  for (const bad of [-1, 2_592_001, 1.5, '1h', true]) {
    expect(() => read({ gracePeriodSeconds: bad })).toThrow(faultAt('gracePeriodSeconds'));
  }
});
