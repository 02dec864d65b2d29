/** The address of a request, under which a failed authentication is counted. */
import { startService, type TestService } from '../../support/service.js';

/** Fails once, with these headers beside the wrong key, and returns the address that it was counted under. */
async function sourcesOf(service: TestService, headers: Record<string, string | string[]>): Promise<string[]> {
  const answer = await service.call('GET', '/v1/models', { headers: { ...headers, authorization: 'Bearer sk_wrong' } });
  expect(answer.status).toBe(401);
  const rows = await service.sql<{ key: string; used: number }>(
    "DELETE FROM rate_windows WHERE key LIKE 'failed:%' RETURNING key, used",
  );
  expect(rows.map(({ used }) => used)).toEqual([1]);
  return rows.map(({ key }) => key.slice('failed:'.length));
}

describe('without a trusted proxy', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService();
  });

  afterAll(() => service.stop());

  it.each<Record<string, string | string[]>>([
    {},
    { 'x-forwarded-for': '203.0.113.9' },
    { 'x-forwarded-for': '127.0.0.1, 203.0.113.9' },
    { 'x-forwarded-for': ['203.0.113.9', '203.0.113.10'] },
    { 'x-forwarded-for': 'garbage' },
    { forwarded: 'for=203.0.113.9', 'x-real-ip': '203.0.113.9', 'true-client-ip': '203.0.113.9' },
  ])("the connection's address is the caller's, whatever the headers say: %j", async (headers) => {
    expect(await sourcesOf(service, headers)).toEqual(['127.0.0.1']);
  });
});

describe('behind a trusted proxy', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService({ settings: { trustedProxies: ['127.0.0.1/32', '10.0.0.0/8', 'fd00::/8'] } });
  });

  afterAll(() => service.stop());

  it.each<[string, string | string[], string]>([
    ['the one that it names', '203.0.113.9', '203.0.113.9'],
    ['the one that it names, without a space', '198.51.100.1,203.0.113.9', '203.0.113.9'],
    ['not one that the caller put before it', '6.6.6.6, 203.0.113.9', '203.0.113.9'],
    ['not one in a second header of the caller’s', ['6.6.6.6', '203.0.113.9'], '203.0.113.9'],
    ['the one that the proxy before it names', '203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['the one that the first of three proxies names', '6.6.6.6, 203.0.113.9, 10.1.2.3, 10.9.9.9', '203.0.113.9'],
    ['the one that an IPv6 proxy before it names', '203.0.113.9, fd00::1', '203.0.113.9'],
    ['the one that a proxy with an IPv4-mapped address before it names', '203.0.113.9, ::ffff:10.1.2.3', '203.0.113.9'],
    ["not a proxy's address that the caller claims as its own", '6.6.6.6, 10.1.2.3, 203.0.113.9', '203.0.113.9'],
    [
      'a private address that is not a configured proxy, and nothing before it',
      '203.0.113.9, 192.168.0.1',
      '192.168.0.1',
    ],
    ['the first proxy, where only proxies are named', '10.1.2.3, 10.9.9.9', '10.1.2.3'],
    ['an IPv6 network', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['an IPv4 address in IPv6', '::ffff:203.0.113.9', '203.0.113.9'],
    ['an address with a zone', 'fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['unknown where a word stands for it', 'unknown', 'unknown'],
    ['unknown where a hidden name stands before a proxy', '203.0.113.9, _hidden, 10.1.2.3', 'unknown'],
    ["the proxy's own, where the header is empty", '', '127.0.0.1'],
    ["the proxy's own, where the header has only separators", ' , ,', '127.0.0.1'],
  ])("the caller's address is %s", async (_what, forwardedFor, source) => {
    expect(await sourcesOf(service, { 'x-forwarded-for': forwardedFor })).toEqual([source]);
  });

  it('no other header changes it', async () => {
    const headers = { forwarded: 'for=203.0.113.9', 'x-real-ip': '203.0.113.9', 'x-client-ip': '203.0.113.9' };
    expect(await sourcesOf(service, headers)).toEqual(['127.0.0.1']);
  });
});

describe('a caller who is not behind the trusted proxy', () => {
  let service: TestService;

  beforeAll(async () => {
    service = await startService({ settings: { trustedProxies: ['10.0.0.0/8', '::1/128'] } });
  });

  afterAll(() => service.stop());

  it.each(['203.0.113.9', '203.0.113.9, 10.1.2.3', '10.1.2.3'])(
    'is not believed, even where it names one: %s',
    async (forwardedFor) => {
      expect(await sourcesOf(service, { 'x-forwarded-for': forwardedFor })).toEqual(['127.0.0.1']);
    },
  );
});
