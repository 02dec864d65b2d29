import fc from 'fast-check';
import { LIMIT_TYPES, decimalOf, usageLimitChanges, usageLimits, viewLimits } from './usage-limits.js';

const stored = (value: unknown): string | undefined =>
  usageLimits.safeParse([{ type: 'token_cnt', value }]).data?.[0]?.microUnits;

it.each<[number | string, string]>([
  [0, '0'],
  [-0, '0'],
  [1, '1000000'],
  [0.1, '100000'],
  [0.000001, '1'],
  ['0.000001', '1'],
  [1e-6, '1'],
  [1.5, '1500000'],
  ['1e3', '1000000000'],
  [123456789.123456, '123456789123456'],
  [9_000_000_000_000, '9000000000000000000'],
])('%p is kept as the integer %p, in millionths', (value, microUnits) => {
  expect(stored(value)).toBe(microUnits);
});

it.each<[unknown]>([
  [-1],
  [-0.000001],
  [0.0000001],
  [1.0000001],
  [0.1 + 0.7],
  [9_000_000_000_000.5],
  [9_000_000_000_001],
  [1e300],
  [1234567890.123456],
  ['1,5'],
  ['0x10'],
  ['NaN'],
  ['Infinity'],
  [''],
  [true],
  [[1]],
  [{}],
])('%p is not a value of a limit', (value) => {
  expect(stored(value)).toBeUndefined();
});

it('every accepted value is shown again unchanged', () => {
  const decimals = fc
    .tuple(fc.bigInt(0n, 9_000_000_000_000n), fc.integer({ min: 0, max: 6 }))
    .map(([digits, places]) => Number(digits) / 10 ** places);
  fc.assert(
    fc.property(decimals, (value) => {
      const microUnits = stored(value);
      fc.pre(microUnits !== undefined);
      expect(viewLimits([{ type: 'token_cnt', microUnits }])).toEqual([{ type: 'token_cnt', value }]);
    }),
    { numRuns: 2000 },
  );
});

it('a value with parts below a millionth is refused, never rounded', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
      const microUnits = stored(value);
      if (microUnits !== undefined) expect(Number(microUnits) / 1e6).toBe(value);
    }),
    { numRuns: 2000 },
  );
});

it('a type may appear once, and must be a known one', () => {
  const limit = (type: string): object => ({ type, value: 1 });
  expect(usageLimits.safeParse(LIMIT_TYPES.map(limit)).success).toBe(true);
  expect(usageLimits.safeParse([limit('token_cnt'), limit('token_cnt')]).success).toBe(false);
  expect(usageLimits.safeParse([limit('tokens')]).success).toBe(false);
  expect(usageLimits.safeParse([{ type: 'token_cnt' }]).success).toBe(false);
});

it('no limits are an empty list', () => {
  expect(viewLimits(null)).toEqual([]);
});

it('a change sets exact numbers or removes; numbers as text, which other surfaces accept, are refused', () => {
  const changed = (value: unknown): unknown => usageLimitChanges.safeParse([{ type: 'token_cnt', value }]).data?.[0];
  expect(changed(1.000001)).toEqual({ type: 'token_cnt', microUnits: '1000001' });
  expect(changed(0)).toEqual({ type: 'token_cnt', microUnits: '0' });
  expect(changed(null)).toEqual({ type: 'token_cnt', microUnits: null });
  for (const wrong of ['1', undefined, -1, 1.0000001, 9_000_000_000_001, true]) expect(changed(wrong)).toBeUndefined();
});

it('a change that repeats a type is refused at the repetition', () => {
  const types = ['token_cnt', 'cost_micros', 'token_cnt', 'token_cnt'];
  const { error } = usageLimitChanges.safeParse(types.map((type) => ({ type, value: 1 })));
  expect(error?.issues.map(({ path }) => path)).toEqual([
    [2, 'type'],
    [3, 'type'],
  ]);
});

it.each([
  ['0', '0'],
  ['1', '0.000001'],
  ['1000000', '1'],
  ['1500000', '1.5'],
  ['-1', '-0.000001'],
  ['-12000000', '-12'],
  ['123456789012345678901234567890', '123456789012345678901234.56789'],
])('%s millionths are %s', (millionths, units) => {
  expect(decimalOf(millionths)).toBe(units);
});
