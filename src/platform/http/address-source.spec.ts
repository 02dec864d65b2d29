import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { sourceOf } from './address-source.js';

describe('the source of an address', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['fe80::2%25', 'fe80:0:0:0::/64'],
    ['', 'unknown'],
    ['unknown', 'unknown'],
    ['_hidden', 'unknown'],
    ['203.0.113.7:4711', 'unknown'],
    ['[2001:db8::1]:443', 'unknown'],
    ['203.0.113.256', 'unknown'],
    ['2001:db8::1::2', 'unknown'],
    ['<script>', 'unknown'],
  ])('%s: %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });

  it('is the same for a whole IPv6 network of 64 bits, and another for every other network', () => {
    const part = fc.integer({ min: 0, max: 0xffff });
    const half = fc.array(part, { minLength: 4, maxLength: 4 });
    const write = (...halves: number[][]): string => new ipaddr.IPv6(halves.flat()).toString();
    fc.assert(
      // A network that begins with 0 may contain IPv4 addresses.
      fc.property(
        half,
        half,
        half,
        fc.nat({ max: 3 }),
        fc.integer({ min: 1, max: 0xfffe }),
        (rest, one, two, at, by) => {
          const network = [0x2001, ...rest.slice(1)];
          const other = network.with(at, (network[at]! + by) % 0x10000);
          expect(sourceOf(write(network, one))).toBe(sourceOf(write(network, two)));
          expect(sourceOf(write(network, one))).not.toBe(sourceOf(write(other, one)));
        },
      ),
    );
  });

  it('is defined for any text that a proxy writes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(sourceOf(text)).toMatch(/^[\da-z.:/]+$/)));
  });
});
