import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';
import { exists, readIfThere, writeWhole } from './files.js';
import { canReach, findOsUser, refuseForeign, type OsUser } from './os-user.js';

export interface ClusterLocation {
  /** The folder that holds the data, their configuration, passwords and log. */
  location: string;
  /** Whom Postgres runs as; null: as ourselves. */
  user: OsUser | null;
}

/** Where the cluster of `directory` is, or will be. Throws when it was elsewhere and is no longer there. */
export async function findLocation(directory: string): Promise<ClusterLocation> {
  const remembered = (await readIfThere(path.join(directory, 'location')))?.trim() ?? null;
  const user = await findOsUser(path.join(remembered ?? directory, 'data'));
  const location = remembered ?? (await chooseLocation(directory, user));
  if (!(await exists(location))) {
    throw new EmbeddedPostgresError(
      `The database of ${directory} was in ${location}, which is gone; delete ${directory} to begin with an empty one.`,
    );
  }
  await refuseForeign(location);
  return { location, user };
}

/** `directory` itself where Postgres can get there; else a folder of root's that it can, noted in `directory`. */
async function chooseLocation(directory: string, user: OsUser | null): Promise<string> {
  if (!user) return directory;
  await fs.chmod(directory, 0o711);
  if (await canReach(directory, user)) return directory;
  if (await exists(path.join(directory, 'data'))) {
    throw new EmbeddedPostgresError(
      `The OS user ${user.name} can no longer reach the database in ${directory}; let it pass the folders above.`,
    );
  }
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  for (const made of [path.join('/var/lib/gatehouse', hash), path.join(os.tmpdir(), `gatehouse-${hash}`)]) {
    try {
      if (await fs.mkdir(path.dirname(made), { recursive: true })) await fs.chmod(path.dirname(made), 0o711);
      // The name is taken: left by an earlier, deleted `directory`, or put there by another user. It is not ours to
      // use.
      const location = await fs.mkdir(made).then(
        () => made,
        () => fs.mkdtemp(`${made}-`),
      );
      await fs.chmod(location, 0o711);
      if (await canReach(location, user)) {
        await writeWhole(path.join(directory, 'location'), `${location}\n`);
        return location;
      }
      await fs.rmdir(location);
    } catch {
      // Cannot be written: the next one.
    }
  }
  throw new EmbeddedPostgresError(`Found no folder for the database that the OS user ${user.name} can reach.`);
}
