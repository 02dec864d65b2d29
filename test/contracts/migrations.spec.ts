/** A migration that has landed is never edited: databases that applied it would refuse to boot. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = 'prisma/migrations';
const LANDED = path.join(FOLDER, 'checksums.json');

function checksums(): Record<string, string> {
  const names = readdirSync(FOLDER).filter((name) => existsSync(path.join(FOLDER, name, 'migration.sql')));
  return Object.fromEntries(
    names.sort().map((name) => {
      const sql = readFileSync(path.join(FOLDER, name, 'migration.sql'));
      return [name, createHash('sha256').update(sql).digest('hex')];
    }),
  );
}

it(`each of them is unchanged: ${LANDED} holds its checksum, and a new one adds its own`, () => {
  expect(JSON.parse(readFileSync(LANDED, 'utf8'))).toEqual(checksums());
});

it('new ones sort after all landed ones', () => {
  const landed = Object.keys(JSON.parse(readFileSync(LANDED, 'utf8')) as object);
  expect(landed).toEqual([...landed].sort());
  expect(landed).not.toEqual([]);
});
