// What the service's collector moved into its old space, from the lines that V8 writes with --trace-gc-nvp.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The flag that the service is started with. */
export const TRACE_COLLECTIONS = '--trace-gc-nvp';

/** A collection of the young generation; a full one moves all that lives. */
const SCAVENGE = /: pause=\S+ .* gc=s .* promoted=(\d+) /;

/**
 * @param {string} logFile what the service wrote to its standard output
 * @returns {Promise<number | null>} bytes since its start; null where it wrote no such line
 */
export async function readPromotedBytes(logFile) {
  let total = 0;
  let found = false;
  for await (const line of createInterface({ input: createReadStream(logFile, 'latin1') })) {
    const bytes = line.includes(' gc=s ') ? SCAVENGE.exec(line)?.[1] : undefined;
    if (bytes === undefined) continue;
    found = true;
    total += Number(bytes);
  }
  return found ? total : null;
}

/**
 * @param {({ requests: number } & import('./scenarios.mjs').Memory) | undefined} from
 * @param {({ requests: number } & import('./scenarios.mjs').Memory) | undefined} to
 * @returns {number | null} KB for each request between two readings; null where one does not tell
 */
export function promotedBetween(from, to) {
  const before = from?.promotedBytes ?? null;
  const after = to?.promotedBytes ?? null;
  if (before === null || after === null || from === undefined || to === undefined) return null;
  const requests = to.requests - from.requests;
  return requests > 0 ? (after - before) / requests / 1024 : null;
}
