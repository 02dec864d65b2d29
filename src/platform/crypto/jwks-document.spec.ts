import { readJwksAnswer } from './jwks-document.js';

const answer = (headers: Record<string, string>): Parameters<typeof readJwksAnswer>[0] => ({
  status: 200,
  headers,
  body: { keys: [{ kid: 'a' }] },
});

describe('readJwksAnswer', () => {
  it.each<[Record<string, string>, number | undefined]>([
    [{ 'cache-control': 'public, max-age=21000, must-revalidate, no-transform' }, 21000],
    [{ 'cache-control': 'Max-Age="60"' }, 60],
    [{ 'cache-control': 'max-age=600', age: '590' }, 10],
    [{ 'cache-control': 'max-age=600', age: '700' }, 0],
    [{ 'cache-control': 'no-store' }, 0],
    [{ 'cache-control': 'no-cache, max-age=600' }, 0],
    [{ 'cache-control': 's-maxage=600' }, undefined],
    [{ 'cache-control': 'max-age=soon' }, undefined],
    [{}, undefined],
  ])('reads %j as %s seconds', (headers, seconds) => {
    expect(readJwksAnswer(answer(headers)).maxAgeSeconds).toBe(seconds);
  });

  it.each<[string, number, unknown]>([
    ['an error page', 503, { keys: [] }],
    ['a redirect', 302, undefined],
    ['a body that is not JSON', 200, undefined],
    ['JSON without keys', 200, { error: 'x' }],
    ['keys that are not a list', 200, { keys: {} }],
    ['null', 200, null],
  ])('does not accept %s as a set of keys', (_what, status, body) => {
    expect(() => readJwksAnswer({ status, headers: {}, body })).toThrow(/keys/);
  });
});
