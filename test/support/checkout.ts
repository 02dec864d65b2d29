/**
 * A newcomer's development service: the result of `npm start`, in a folder that looks like a checkout, so that `npm run -s
 * gatehouse --` and the guides' programs work there unchanged.
 */
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startServiceProcess, type ServiceProcess } from './service.js';

const OF_A_CHECKOUT = ['bin', 'dist', 'node_modules', 'package.json', 'prisma'];

/** Without a provider, as for a newcomer: the built-in model answers. */
const NEWCOMER = {
  GATEHOUSE_DEV: '1',
  GATEHOUSE_PEPPERS: undefined,
  GATEHOUSE_ENCRYPTION_KEYS: undefined,
  GATEHOUSE_SIGNING_KEYS: undefined,
  FIREBASE_PROJECT_ID: undefined,
  OPENAI_BASE_URL: undefined,
  OPENAI_API_KEY: undefined,
};

export async function startCheckout(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess({ env: { ...NEWCOMER, ...env } });
  const { folder } = service.process;
  for (const name of OF_A_CHECKOUT) await symlink(path.resolve(name), path.join(folder, name));
  // The database that the embedded Postgres would provide: here it is one of this run.
  await writeFile(path.join(folder, '.env'), `GATEHOUSE_DEV=1\nDATABASE_URL=${service.database.ownerUrl}\n`);
  return service;
}
