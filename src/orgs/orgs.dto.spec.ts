import { readMessage } from '../platform/protojson/index.js';
import { createOrgRequest } from './orgs.dto.js';

const faultAt = (field: string) =>
  expect.objectContaining({
    kind: 'invalid_input',
    fields: expect.arrayContaining([expect.objectContaining({ field })]) as unknown,
  }) as Error;

const read = (message: object): unknown => readMessage(Buffer.from(JSON.stringify(message)), createOrgRequest);

it.each(['ab', 'acme', 'acme-2', '0-0', 'a-b-c', 'x'.repeat(48)])('a slug may be %s', (slug) => {
  expect(read({ name: 'Acme', slug })).toEqual({ name: 'Acme', slug });
});

it.each(['a', 'Acme', 'acme-', '-acme', 'a--b', 'a_b', 'a b', 'a.b', 'ä-b', 'acme\n', '-', 'x'.repeat(49)])(
  'a slug may not be %j',
  (slug) => {
    expect(() => read({ name: 'Acme', slug })).toThrow(faultAt('slug'));
  },
);

it('an empty or absent slug is made from the name', () => {
  expect(read({ name: 'Acme' })).toEqual({ name: 'Acme', slug: '' });
  expect(read({ name: 'Acme', slug: '' })).toEqual({ name: 'Acme', slug: '' });
});

it.each(['', 'x'.repeat(101), 'a\u0000b', '\ud800'])('a name may not be %j', (name) => {
  expect(() => read({ name })).toThrow(faultAt('name'));
});
