import fc from 'fast-check';
import type { Fault } from '../platform/errors/index.js';
import { assertApart, type IssuerPrefix } from './issuer-prefixes.js';

const of = (issuer: string | null, humanPrefix = ''): IssuerPrefix => ({ issuer, humanPrefix });

function refusal(own: IssuerPrefix, others: readonly IssuerPrefix[]): Fault | null {
  try {
    assertApart(own, others);
    return null;
  } catch (error) {
    return error as Fault;
  }
}

it.each<[string, IssuerPrefix, IssuerPrefix[]]>([
  ['the first one', of('a'), []],
  ['the same issuer again', of('a'), [of('a')]],
  ['the same issuer under the same prefix', of('a', 'x:'), [of('a', 'x:')]],
  ['the same issuer under two prefixes', of('a', 'x:'), [of('a'), of('a', 'x:y:')]],
  ['a second issuer under a prefix of its own', of('b', 'b:'), [of('a')]],
  ['bare subjects beside another issuer that has a prefix', of('a'), [of('b', 'b:')]],
  ['two prefixes that only begin alike', of('b', 'app-2'), [of('a', 'app-1')]],
  ["the platform's own twice", of(null), [of(null)]],
  ["a prefix beside the platform's own", of('a', 'a:'), [of(null)]],
])('%s is accepted', (_case, own, others) => {
  expect(refusal(own, others)).toBeNull();
});

it.each<[string, IssuerPrefix, IssuerPrefix[], string]>([
  ['bare subjects of a second issuer', of('b'), [of('a')], 'oidcConfig.humanPrefix'],
  ['the prefix of another issuer', of('b', 'x:'), [of('a', 'x:')], 'oidcConfig.humanPrefix'],
  ['a prefix that begins with that of another issuer', of('b', 'x:y:'), [of('a', 'x:')], 'oidcConfig.humanPrefix'],
  ['a prefix with which that of another issuer begins', of('b', 'x'), [of('a', 'x:')], 'oidcConfig.humanPrefix'],
  ["bare subjects beside the platform's own", of('a'), [of(null)], 'oidcConfig.humanPrefix'],
  ["the platform's own beside bare subjects of another", of(null), [of('a')], 'oidcConfig'],
  [
    'one rival among many keys of the same issuer',
    of('b'),
    [of('b'), of('c', 'c:'), of('a')],
    'oidcConfig.humanPrefix',
  ],
])('%s is refused, naming the field', (_case, own, others, field) => {
  expect(refusal(own, others)).toMatchObject({ kind: 'conflict', fields: [{ field }] });
});

it('no human of one issuer is ever one of another, whatever their subjects', () => {
  const prefix = fc.string({ unit: fc.constantFrom('a', 'b', ':'), maxLength: 3 });
  const subject = fc.string({ unit: fc.constantFrom('a', 'b', ':'), minLength: 1, maxLength: 4 });
  const keys = fc.array(fc.tuple(fc.constantFrom('one', 'two', 'three'), prefix), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(keys, fc.array(subject, { minLength: 2, maxLength: 6 }), (wished, subjects) => {
      const kept: IssuerPrefix[] = [];
      for (const [issuer, humanPrefix] of wished) {
        if (refusal({ issuer, humanPrefix }, kept) === null) kept.push({ issuer, humanPrefix });
      }
      const owner = new Map<string, string | null>();
      for (const { issuer, humanPrefix } of kept) {
        for (const sub of subjects) {
          const human = humanPrefix + sub;
          // The end users' strategy refuses it in the same way.
          const isOthers = kept.some(
            (other) => other.humanPrefix.length > humanPrefix.length && human.startsWith(other.humanPrefix),
          );
          if (isOthers) continue;
          expect(owner.get(human) ?? issuer).toBe(issuer);
          owner.set(human, issuer);
        }
      }
    }),
    { numRuns: 3000 },
  );
});
