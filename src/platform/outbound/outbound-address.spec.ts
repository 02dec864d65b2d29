import { AddressPolicy } from './outbound-address.js';

describe('AddressPolicy', () => {
  const strict = new AddressPolicy([]);

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.215.14',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
  ])('allows %s, a public address', (address) => {
    expect(strict.allows(address)).toBe(true);
  });

  it.each([
    ['this network', ['0.0.0.0', '0.255.255.255', '::']],
    ['loopback', ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1']],
    ['private', ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255']],
    ['unique local', ['fc00::', 'fd00:ec2::254', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff']],
    ['link-local', ['169.254.0.0', '169.254.169.254', '169.254.255.255', 'fe80::1', 'febf::1', 'fe80::1%eth0']],
    ['site-local', ['fec0::1', 'feff::1']],
    ['carrier-grade NAT', ['100.64.0.0', '100.100.100.200', '100.127.255.255']],
    ['protocol assignments', ['192.0.0.0', '192.0.0.192', '192.0.0.255', '2001:1::1', '2001:1ff::1']],
    ['documentation', ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1']],
    ['benchmarks', ['198.18.0.0', '198.19.255.255', '2001:2::1']],
    ['multicast', ['224.0.0.0', '239.255.255.255', 'ff02::1']],
    ['reserved', ['240.0.0.0', '255.255.255.255', '::2', '100::1', '4000::1', '5f00::1', '8000::1', 'e000::1']],
    ['6to4 and its relays', ['2002:7f00:1::', '2002:5db8:d70e::1', '192.88.99.1']],
    ['Teredo', ['2001::1', '2001:0:5ef5:79fd:0:0:80ff:fffe']],
    ['NAT64', ['64:ff9b::127.0.0.1', '64:ff9b::93.184.215.14', '64:ff9b:1::a00:1']],
    ['translated', ['::ffff:0:127.0.0.1', '::ffff:0:93.184.215.14']],
    ['IPv4-mapped', ['::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::ffff:93.184.215.14']],
    ['IPv4-compatible', ['::127.0.0.1', '::7f00:1', '::93.184.215.14']],
    ["Azure's wire server", ['168.63.129.16']],
    ['malformed addresses', ['', 'localhost', '127.0.0.1:80', '[::1]', 'example.com', '1.2.3', '1.2.3.4.5']],
  ])('refuses %s', (_range, addresses) => {
    for (const address of addresses) expect([address, strict.allows(address)]).toEqual([address, false]);
  });

  it('allows what the operator allows, and no neighbouring address', () => {
    const policy = new AddressPolicy(['10.1.0.0/16', 'fd00:1::/32', '168.63.129.16/32']);
    expect(
      ['10.1.0.0', '10.1.255.255', 'fd00:1::7', '168.63.129.16', '1.1.1.1'].filter((a) => policy.allows(a)),
    ).toEqual(['10.1.0.0', '10.1.255.255', 'fd00:1::7', '168.63.129.16', '1.1.1.1']);
    expect(['10.0.255.255', '10.2.0.0', 'fd00:2::7', '169.254.169.254', '::1'].filter((a) => policy.allows(a))).toEqual(
      [],
    );
  });

  it('treats a mapped address as the one that a socket would connect to, however the range is written', () => {
    expect(new AddressPolicy(['10.1.0.0/16']).allows('::ffff:10.1.2.3')).toBe(true);
    expect(new AddressPolicy(['10.1.0.0/16']).allows('::ffff:10.2.2.3')).toBe(false);
    expect(new AddressPolicy(['::ffff:10.1.0.0/112']).allows('::ffff:10.1.2.3')).toBe(true);
  });

  it('does not accept an address that embeds an allowed one', () => {
    const policy = new AddressPolicy(['10.0.0.0/8']);
    for (const address of ['64:ff9b::10.0.0.1', '2002:a00:1::1', '::10.0.0.1', '::ffff:0:10.0.0.1']) {
      expect([address, policy.allows(address)]).toEqual([address, false]);
    }
  });
});
