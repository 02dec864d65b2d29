import fc from 'fast-check';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { arrayText, compositeText } from './composite.js';

let test: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  test = await createTestDatabase();
  client = new pg.Client(test.superuserUrl);
  await client.connect();
  await client.query('CREATE TYPE said AS (a text, b text, n numeric, yes boolean)');
});

afterAll(async () => {
  await client.end();
  await test.drop();
});

const ODD = ['', ' ', 'NULL', 'null', 'a b', ' a ', '{}', '(,)', '"\\"', "'", 'a,b', '\\', 'f(x)', 'é', '\n', '\t'];
const text = fc.oneof(
  fc.constantFrom(...ODD),
  fc.string({ unit: 'grapheme' }).map((any) => any.replaceAll('\0', '')),
);
const field = fc.option(text);
const row = fc.record({ a: field, b: field, n: fc.option(fc.bigInt(-(2n ** 80n), 2n ** 80n)), yes: fc.boolean() });

it('is read by Postgres as the same rows, whatever their fields contain', async () => {
  const rows = fc.sample(row, { numRuns: 2_000, seed: 7 });
  const items = arrayText(rows.map(({ a, b, n, yes }) => compositeText([a, b, n, yes])));
  const { rows: read } = await client.query(
    'SELECT a, b, n, yes FROM unnest($1::text[]::said[]) WITH ORDINALITY AS each (a, b, n, yes, place) ORDER BY place',
    [items],
  );
  expect(read).toEqual(rows.map(({ n, ...others }) => ({ ...others, n: n === null ? null : String(n) })));
});
