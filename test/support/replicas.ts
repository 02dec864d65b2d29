/** Services on one database, like replicas of one service. */
import type { Settings } from '../../src/platform/config/index.js';
import { startService, type TestService } from './service.js';

/** The first one creates database, issuer, provider and Google; the others share them. */
export async function startReplicas<const Given extends readonly [Partial<Settings>, ...Partial<Settings>[]]>(
  ...given: Given
): Promise<{ [Place in keyof Given]: TestService }> {
  const [first, ...others] = given;
  const replicas = [await startService({ settings: first })];
  const [{ database, issuer, upstream, google }] = replicas as [TestService];
  try {
    for (const settings of others) replicas.push(await startService({ database, issuer, upstream, google, settings }));
  } catch (error) {
    await stopReplicas(replicas);
    throw error;
  }
  return replicas as { [Place in keyof Given]: TestService };
}

/** The first one is stopped last, since the others share its resources. */
export async function stopReplicas(replicas: readonly TestService[]): Promise<void> {
  for (const replica of replicas.toReversed()) await replica.stop();
}
