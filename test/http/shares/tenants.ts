/** Tenants that take all they can get, and one beside them. */
import { randomUUID } from 'node:crypto';
import { PlatformProviderTenants } from '../../../src/llm/index.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import type { Answer, Org, TestService } from '../../support/service.js';

export interface Caller {
  readonly org: Org;
  readonly key: string;
}

/** A tenant with a key, in an org of its own or in another tenant's. */
export async function makeCaller(service: TestService, beside?: Org): Promise<Caller> {
  const org = beside === undefined ? await service.seedOrg() : { ...beside, tenantId: `tenant-${randomUUID()}` };
  if (beside !== undefined) {
    await service.sql("INSERT INTO tenants (id, org_id, name) VALUES ($1, $2, 'Another')", [org.tenantId, org.orgId]);
  }
  service.app.get(PlatformProviderTenants).allow(org.tenantId);
  const { key } = await service.createKey(org, { requestsPerMinute: 100_000 });
  return { org, key };
}

export const platform = (service: TestService, { key }: Caller, route: string, body: object = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { 'x-api-key': key }, body });

export const chatBody = (fields: object = {}): object => ({
  model: UPSTREAM_MODEL,
  messages: [{ role: 'user', content: 'Hello.' }],
  ...fields,
});

export const chat = (service: TestService, { key }: Caller): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body: chatBody() });

export const report = (service: TestService, caller: Caller, human = 'ann'): Promise<Answer> =>
  platform(service, caller, 'usage/report', {
    ...{ type: 'conversational_seconds', value: 1, human, idempotency_key: randomUUID() },
  });

/** The statuses of answers, each with how many there are. */
export function countsOf(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The value of one of the service's metrics, of one share. */
export function shareMetric(metrics: string, name: string, share: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`gatehouse_share_${name}{share="${share}"}`));
  return Number(line?.split(' ')[1]);
}
