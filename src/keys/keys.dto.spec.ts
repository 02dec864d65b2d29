import { SCOPES } from '../identity/index.js';
import { readMessage } from '../platform/http/index.js';
import { createKeyRequest, listKeysRequest, updateKeyRequest } from './keys.dto.js';

const bytes = (message: unknown): Buffer => Buffer.from(JSON.stringify(message));
const faultAt = (field: string) =>
  expect.objectContaining({
    kind: 'invalid_input',
    fields: expect.arrayContaining([expect.objectContaining({ field })]) as unknown,
  }) as Error;

it("a request in the contract's own spelling is read", () => {
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
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: {} }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: -1 } }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: 1.5 } }],
  ['rateLimit.requestsPerMinute', { name: 'n', rateLimit: { requestsPerMinute: 1_000_000_001 } }],
  ['expiresAt', { name: 'n', expiresAt: 'tomorrow' }],
  ['type', { name: 'n', type: 'PUBLISHABLE' }],
  ['tenantId', { name: 'n', tenantId: 'globex' }],
  ['hash', { name: 'n', hash: 'x' }],
])('a new key with a bad %s is refused by its name: %j', (field, request) => {
  expect(() => readMessage(bytes(request), createKeyRequest)).toThrow(faultAt(field));
});

it.each<[string, Record<string, unknown>]>([
  ['keyId', { name: 'n' }],
  ['keyId', { keyId: '' }],
  ['neverExpires', { keyId: 'k', neverExpires: 'true' }],
  ['revokedAt', { keyId: 'k', revokedAt: null }],
  ['status', { keyId: 'k', status: 'ACTIVE' }],
])('a change with a bad %s is refused by its name: %j', (field, request) => {
  expect(() => readMessage(bytes(request), updateKeyRequest)).toThrow(faultAt(field));
});

it.each<[number | string | null | undefined, number]>([
  [undefined, 0],
  [null, 0],
  [0, 0],
  [1, 1],
  ['500', 500],
])('a page may have the size %j', (pageSize, read) => {
  expect(readMessage(bytes({ pageSize }), listKeysRequest)).toEqual({ pageSize: read, pageToken: '' });
});

it.each([-1, 501, 1.5, 'ten', true])('a page may not have the size %j', (pageSize) => {
  expect(() => readMessage(bytes({ pageSize }), listKeysRequest)).toThrow(faultAt('pageSize'));
});
