import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** Below the ports that the system gives to connections, and to servers that name none. */
const LOWEST = 20_000;
const COUNT = 12_000;
const given = new Set<number>();

/**
 * A port of loopback on which no server listens yet. The system gives it to no other program: a server that starts slowly still
 * finds it free, and so does one that starts a second time.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + randomInt(COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
