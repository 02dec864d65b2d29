import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Calls } from '../llm/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Database, Revocations } from '../platform/database/index.js';
import { Drain, PacedRefusals, RequestBodies } from '../platform/http/index.js';
import type { Metrics } from '../platform/metrics/index.js';
import { UsageQueryService } from '../usage/index.js';

/** What the metrics show of the platform's rooms, which know nothing of metrics; other rooms tell their numbers themselves. */
export function watch(app: NestFastifyApplication, metrics: Metrics): void {
  const calls = app.get(Calls);
  const database = app.get(Database);
  const bodies = app.get(RequestBodies);
  const drain = app.get(Drain);
  const revocations = app.get(Revocations);
  metrics.shares({
    provider_calls: calls.places,
    database_connections: database.turns,
    credential_lookups: database.lookUps,
    usage_queries: app.get(UsageQueryService).turns,
    body_bytes: bodies,
    answer_mebibytes: calls.answers.places,
  });
  const { line } = app.get(PacedRefusals);
  metrics.read('gatehouse_refusals_waiting', () => line.waiting);
  metrics.read('gatehouse_refusals_delayed_total', () => line.delayed);
  metrics.read('gatehouse_refusals_dropped_total', () => line.refused);
  metrics.read('gatehouse_http_requests_open', () => drain.openCount);
  metrics.read('gatehouse_http_bodies_open', () => bodies.open);

  metrics.readEach('gatehouse_database_connections', () =>
    Object.entries(database.pools).flatMap(([pool, { inUse, idle }]) => [
      [{ pool, state: 'in_use' }, inUse],
      [{ pool, state: 'idle' }, idle],
    ]),
  );
  metrics.readEach('gatehouse_database_connections_most', () =>
    Object.entries(database.pools).map(([pool, { most }]) => [{ pool }, most]),
  );
  metrics.readEach('gatehouse_database_waiting', () =>
    Object.entries(database.pools).map(([pool, { waiting }]) => [{ pool }, waiting]),
  );
  metrics.read('gatehouse_listener_up', () => (revocations.isFresh() ? 1 : 0));
  metrics.read('gatehouse_listener_losses_total', () => revocations.losses);

  const { peppers, encryptionKeys } = app.get<Settings>(SETTINGS_TOKEN);
  metrics.readEach('gatehouse_secret_newest_version', () => [
    [{ secret: 'pepper' }, peppers[0]?.version ?? 0],
    [{ secret: 'encryption_key' }, encryptionKeys[0]?.version ?? 0],
  ]);
}
