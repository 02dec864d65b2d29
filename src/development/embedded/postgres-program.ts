import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ClusterLocation } from './cluster-location.js';
import { EmbeddedPostgresError } from './embedded-postgres.error.js';

const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

/** Runs one of Postgres' programs to its end, all output into the log. Throws what the log said last. */
export async function runProgram({ location, user }: ClusterLocation, binary: string, args: string[]): Promise<void> {
  const logFile = path.join(location, 'postgres.log');
  const log = await fs.open(logFile, 'a', 0o600);
  try {
    let { size } = await log.stat();
    if (size > LOG_LIMIT_BYTES) {
      await log.truncate();
      size = 0;
    }
    const outcome = await new Promise<number | string | null>((resolve) => {
      // A session of its own: Ctrl-C reaches every process of the terminal's group, and must reach Gatehouse alone.
      const session = { detached: process.platform !== 'win32', windowsHide: true };
      const as = user ? { uid: user.uid, gid: user.gid } : {};
      const environment = { LC_ALL: 'C', TZ: 'UTC' };
      const child = spawn(binary, args, {
        cwd: location,
        env: environment,
        stdio: ['ignore', log.fd, log.fd],
        ...session,
        ...as,
      });
      child.on('error', (error) => resolve(error.message));
      child.on('exit', (code, signal) => resolve(code ?? signal));
    });
    if (outcome === 0) return;
    const said = (await fs.readFile(logFile)).subarray(size).toString('utf8').trim();
    const reason =
      (/(?:FATAL|PANIC|error): +(.*)/.exec(said) ?? /pg_ctl: +(.*)/.exec(said))?.[1] ??
      `${path.basename(binary)} ended with ${outcome}`;
    throw new EmbeddedPostgresError(`Postgres in ${location} gave up: ${reason}.`, { cause: said.slice(-4_000) });
  } finally {
    await log.close();
  }
}
