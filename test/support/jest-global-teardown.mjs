import { readdir } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { removeCluster } from './jest-global-setup.mjs';

// Jest calls this after failed runs too, but not after a killed one: the next run's setup removes its leftovers.
export default async function tearDown() {
  const running = globalThis.gatehouseTestPostgres;
  if (!running) return;
  await endSharedServices(running.directory);
  await removeCluster(running.postgres, running.directory);
}

/** Shared services outlive their specs (shared-service-process.mjs). One that has already ended refuses the connection. */
async function endSharedServices(folder) {
  const sockets = (await readdir(folder)).filter((name) => /^shared-\d+\.sock$/.test(name));
  await Promise.all(
    sockets.map((name) => {
      const request = http.request({ socketPath: path.join(folder, name), method: 'DELETE', agent: false });
      // It ends without an answer.
      request.on('error', () => undefined).end();
      return new Promise((resolve) => request.on('close', resolve));
    }),
  );
}
