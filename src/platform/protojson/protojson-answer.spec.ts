import { z } from 'zod';
import { isLongMessage, writeMessage, writeMessageSteps } from './protojson-answer.js';

const SECRET = 'hunter2';

const VIEW = z.object({
  keyId: z.string(),
  name: z.string(),
  total: z.string().meta({ format: 'int64' }),
  count: z.number(),
  flag: z.boolean(),
  permissions: z.array(z.string()),
  status: z.enum(['ACTIVE', 'REVOKED']),
  expiresAt: z.string().optional(),
  rateLimit: z.object({ requestsPerMinute: z.number(), perHuman: z.number().optional() }).optional(),
  freeForm: z.unknown().optional(),
});
const ANSWER = z.object({ apiKeys: z.array(VIEW), nextPageToken: z.string() });

const view = { keyId: 'k', name: '', total: '0', count: 0, flag: false, permissions: [], status: 'ACTIVE' };
const write = (key: object): unknown => writeMessage({ apiKeys: [key], nextPageToken: '' }, ANSWER);

/** The error's message, which never has a value. */
function refusal(key: object): string {
  try {
    write(key);
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).not.toContain(SECRET);
    return (error as Error).message;
  }
  throw new Error('It was written.');
}

it('fields at their default are written', () => {
  expect(write(view)).toStrictEqual({ apiKeys: [view], nextPageToken: '' });
  expect(writeMessage({ apiKeys: [], nextPageToken: '' }, ANSWER)).toStrictEqual({ apiKeys: [], nextPageToken: '' });
});

it('null and undefined are never written, in any position', () => {
  const nulls = {
    ...view,
    expiresAt: null,
    rateLimit: { requestsPerMinute: 5, perHuman: null },
    freeForm: undefined,
  };
  expect(write(nulls)).toStrictEqual({
    apiKeys: [{ ...view, rateLimit: { requestsPerMinute: 5 } }],
    nextPageToken: '',
  });
});

it('the given answer is not changed', () => {
  const given = Object.freeze({ ...view, expiresAt: null });
  write(given);
  expect(given).toStrictEqual({ ...view, expiresAt: null });
});

it.each<[string, object, string]>([
  ['at the top of a view', { ...view, hash: SECRET }, 'apiKeys.0.hash'],
  ['further in', { ...view, rateLimit: { requestsPerMinute: 5, hash: SECRET } }, 'apiKeys.0.rateLimit.hash'],
  ['in its column’s spelling', { ...view, expires_at: SECRET }, 'apiKeys.0.expires_at'],
  ['named __proto__', JSON.parse(`{"__proto__":"${SECRET}"}`) as object, 'apiKeys.0.__proto__'],
])('an undeclared field stops the answer: %s', (_where, key, field) => {
  expect(refusal(key)).toBe(`An answer has the field ${field}, which was not declared.`);
});

it.each<[string, object, string]>([
  ['is not there', { ...view, name: undefined }, 'apiKeys.0.name'],
  ['is null', { ...view, name: null }, 'apiKeys.0.name'],
  ['is a number where text was declared', { ...view, total: 5 }, 'apiKeys.0.total'],
  ['is a bigint', { ...view, total: 5n }, 'apiKeys.0.total'],
  ['is a Date', { ...view, expiresAt: new Date(0) }, 'apiKeys.0.expiresAt'],
  ['is a number that JSON does not have', { ...view, count: NaN }, 'apiKeys.0.count'],
  ['is not a name of its enum', { ...view, status: SECRET }, 'apiKeys.0.status'],
  ['is a list with a null', { ...view, permissions: [null] }, 'apiKeys.0.permissions.0'],
  ['is an object where a list was declared', { ...view, permissions: { 0: SECRET } }, 'apiKeys.0.permissions'],
  ['is a list where an object was declared', { ...view, rateLimit: [SECRET] }, 'apiKeys.0.rateLimit'],
])('an answer is stopped by a field that %s', (_what, key, field) => {
  expect(refusal(key)).toContain(`${field}: `);
});

it.each([undefined, null, 'text', [], [view]])('an answer that is not a message is refused: %j', (answer) => {
  expect(() => writeMessage(answer, ANSWER)).toThrow(TypeError);
});

it('open fields are sent unchanged', () => {
  const open = z.object({ value: z.looseObject({ keyId: z.string() }) });
  const answer = { value: { keyId: 'k', a_b: { c: null } } };
  expect(writeMessage(answer, open)).toStrictEqual(answer);
});

it('a schema with a name that is not in lowerCamelCase is refused for answers', () => {
  expect(() => writeMessage({ key_id: 'k' }, z.object({ key_id: z.string() }))).toThrow(/lowerCamelCase/);
});

describe('an answer with a long list', () => {
  const page = Array.from({ length: 130 }, (_, index) => ({ ...view, keyId: `key_${index}`, expiresAt: null }));

  /** In how many steps, and what. */
  function inSteps(answer: object): [number, unknown] {
    const steps = writeMessageSteps(answer, ANSWER);
    for (let count = 1; ; count += 1) {
      const { done, value } = steps.next();
      if (done === true) return [count, value];
    }
  }

  it('is written in steps as it is at once', () => {
    for (const length of [0, 1, 25, 26, 50, 51, 130]) {
      const answer = { nextPageToken: 'x', apiKeys: page.slice(0, length) };
      expect(isLongMessage(answer)).toBe(length > 25);
      expect(inSteps(answer)).toStrictEqual([Math.max(1, Math.ceil(length / 25)), writeMessage(answer, ANSWER)]);
    }
  });

  it.each<[number, object, string]>([
    [3, { hash: SECRET }, 'An answer has the field apiKeys.3.hash, which was not declared.'],
    [120, { hash: SECRET }, 'An answer has the field apiKeys.120.hash, which was not declared.'],
    [120, { total: 5 }, 'apiKeys.120.total: '],
    [129, { status: SECRET }, 'apiKeys.129.status: '],
  ])('is stopped by member %d, wherever it stands: %j', (at, fault, told) => {
    const apiKeys = page.map((key, index) => (index === at ? { ...key, ...fault } : key));
    expect(() => inSteps({ apiKeys, nextPageToken: '' })).toThrow(told);
    expect(() => inSteps({ apiKeys, nextPageToken: '' })).not.toThrow(SECRET);
  });
});
