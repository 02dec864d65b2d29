import {
  LEADING_NAMES,
  LOOPBACK_HOSTS,
  LOOPBACK_RANGES,
  MISLEADING_NAMES,
  PRIVATE_NAMES,
  RESERVED_HOSTS,
  trickyUrls,
} from '../../../test/support/forbidden-urls.js';
import { Fault } from '../errors/index.js';
import { TenantUrlPolicy } from './outbound-policy.js';

const production = new TenantUrlPolicy({ mode: 'production', outboundAllowCidrs: [] });
const development = new TenantUrlPolicy({ mode: 'development', outboundAllowCidrs: [] });

/** Why a URL is refused; null: it is accepted. */
function refusal(policy: TenantUrlPolicy, url: string): string | null {
  try {
    policy.assertAllowed(url, 'issuer');
    return null;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(error).toMatchObject({ kind: 'invalid_input', message: `issuer: ${error.fields[0]?.reason}` });
    expect(error.fields).toEqual([{ field: 'issuer', reason: expect.any(String) }]);
    return error.fields[0]!.reason;
  }
}

describe('a URL that a tenant chose', () => {
  it.each([
    ['https://issuer.example.com', 'https://issuer.example.com/'],
    ['https://issuer.example.com/tenant/1?x=1&y=@', 'https://issuer.example.com/tenant/1?x=1&y=@'],
    ['https://issuer.example.com:8443/', 'https://issuer.example.com:8443/'],
    ['HTTPS://Issuer.Example.COM./', 'https://issuer.example.com./'],
    ['https://bücher.example.com/', 'https://xn--bcher-kva.example.com/'],
    ['https://93.184.215.14/', 'https://93.184.215.14/'],
    ['https://[2606:2800:21f:cb07::1]:444/', 'https://[2606:2800:21f:cb07::1]:444/'],
    ['https://localhost.example.com/', 'https://localhost.example.com/'],
    ['https://internal.example.com/', 'https://internal.example.com/'],
  ])('%s is accepted, as the parser spells it', (url, href) => {
    expect(production.assertAllowed(url, 'issuer').href).toBe(href);
  });

  it.each([...LOOPBACK_HOSTS, ...RESERVED_HOSTS, ...PRIVATE_NAMES])(
    'is refused at once where its host is %j',
    (host) => {
      const reasons = [
        'must not resolve to a private or reserved address; the operator can allow ranges with OUTBOUND_ALLOW_CIDRS',
        'must have a public host name; the operator can allow private ranges with OUTBOUND_ALLOW_CIDRS',
      ];
      expect(reasons).toContain(refusal(production, `https://${host}:8443/`));
      expect(reasons).toContain(refusal(development, `http://${host}:8080/`));
      expect(refusal(production, `http://${host}:8443/`)).toBe('must begin with https://');
    },
  );

  it.each([...trickyUrls('https', 8443), ...trickyUrls('http', 80)])('is refused where it reads %j', (url) => {
    expect(refusal(production, url)).not.toBeNull();
    expect(refusal(development, url)).not.toBeNull();
    // Allowing the address that it seems to name does not help either.
    const open = new TenantUrlPolicy({ mode: 'development', outboundAllowCidrs: ['0.0.0.0/0', '::/0'] });
    expect(refusal(open, url)).not.toBeNull();
  });

  it.each([
    ['https://user@example.com/', 'must not hold a user name or a password'],
    ['https://user:password@example.com/', 'must not hold a user name or a password'],
    ['https://example.com/#fragment', 'must not have a fragment'],
    ['https://example.com:0/v1', 'must not have the port 0'],
    ['ftp://example.com/', 'must begin with https://'],
    ['example.com', 'must be a URL'],
    [`https://example.com/${'a'.repeat(2048)}`, 'must be at most 2048 characters'],
  ])('%s is refused because it %s', (url, reason) => {
    expect(refusal(production, url)).toBe(reason);
  });

  it('may be plain HTTP in development only', () => {
    expect(refusal(development, 'http://example.com/')).toBeNull();
    expect(refusal(development, 'ftp://example.com/')).toBe('must begin with https:// or http://');
    expect(refusal(new TenantUrlPolicy({}), 'http://example.com/')).toBe('must begin with https://');
  });

  it.each([...Object.keys(LEADING_NAMES), ...Object.keys(MISLEADING_NAMES)])(
    'is accepted where it names %s: its addresses are checked at each connection',
    (name) => {
      expect(refusal(production, `https://${name}/`)).toBeNull();
    },
  );

  it('may lead to this machine, and to no other private address, where a development service listens on loopback', () => {
    for (const host of ['127.0.0.1', '::1', 'localhost']) {
      const laptop = new TenantUrlPolicy({ mode: 'development', host });
      for (const url of ['http://127.0.0.1:8080/', 'http://localhost:8080/', 'http://[::1]:8080/', 'https://127.1/']) {
        expect([url, refusal(laptop, url)]).toEqual([url, null]);
      }
      for (const other of RESERVED_HOSTS) expect(refusal(laptop, `http://${other}/`)).not.toBeNull();
    }
    for (const settings of [
      { mode: 'development', host: '0.0.0.0' },
      { mode: 'development', host: '::' },
      { mode: 'development', host: '127.0.0.1.example.com' },
      { mode: 'production', host: '127.0.0.1' },
    ] as const) {
      expect(refusal(new TenantUrlPolicy(settings), 'https://127.0.0.1:8080/')).not.toBeNull();
    }
  });

  it('may name the addresses that the operator allows', () => {
    const policy = new TenantUrlPolicy({ mode: 'production', outboundAllowCidrs: LOOPBACK_RANGES });
    for (const host of LOOPBACK_HOSTS) expect([host, refusal(policy, `https://${host}/`)]).toEqual([host, null]);
    for (const host of RESERVED_HOSTS.filter((other) => other !== '0.1.2.3')) {
      expect([host, refusal(policy, `https://${host}/`)]).toEqual([
        host,
        'must not resolve to a private or reserved address; the operator can allow ranges with OUTBOUND_ALLOW_CIDRS',
      ]);
    }
  });
});
