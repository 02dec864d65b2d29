/** The metrics that operators' tools read: every documented one, after calls that ended in different ways. */
import { METRICS } from '../../../src/platform/metrics/definitions.js';
import { Metrics } from '../../../src/platform/metrics/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { rowsOf } from '../../support/sql.js';
import { chat, create, GATEWAY_SECRET, SETTINGS } from '../gateways/gateways.js';
import { mint, processing } from '../sealed/sealed-client.js';

let service: TestService;
let key: string;
let tenantId: string;
let org: Org;

beforeAll(async () => {
  service = await startService({ settings: SETTINGS });
  org = await service.createOrg('founder', 'Secretive Ltd');
  ({ tenantId } = org);
  ({ key } = await service.createKey(org));
});

afterAll(() => service.stop());

const text = (): Promise<string> => service.app.get(Metrics).registry.metrics();

/** The value of the first series of a metric with these labels; null: no series has them. */
async function numberOf(name: string, labels: Record<string, string> = {}): Promise<number | null> {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = (await text())
    .split('\n')
    .find(
      (one) => (one.startsWith(`${name}{`) || one.startsWith(`${name} `)) && wanted.every((pair) => one.includes(pair)),
    );
  return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1));
}

async function ask(model: string): Promise<number> {
  const body = { model, messages: [{ role: 'user', content: 'A marker of a prompt.' }] };
  const answer = await service.call('POST', '/v1/chat/completions', { headers: { 'x-api-key': key }, body });
  return answer.status;
}

it('are exactly those that the documentation lists, besides Node’s own', async () => {
  const names = [...(await text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!] as const);
  const ours = names.filter(([name]) => name.startsWith('gatehouse_'));
  expect(Object.fromEntries(ours)).toEqual(
    Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
  );
  expect(names.filter(([name]) => !/^(?:gatehouse|process|nodejs)_/.test(name))).toEqual([]);
  expect(names.map(([name]) => name)).toContain('nodejs_eventloop_lag_p99_seconds');
});

it('count tries, tokens, cost, first bytes and durations by the provider’s kind and a model of the catalogue', async () => {
  const of = { provider: 'openai', model: 'gpt-4o' };
  expect(await ask('gpt-4o')).toBe(200);
  await eventually(async () =>
    expect(await numberOf('gatehouse_provider_tries_total', { ...of, outcome: 'OK' })).toBe(1),
  );
  expect(await numberOf('gatehouse_tokens_total', { ...of, type: 'input' })).toBeGreaterThan(0);
  expect(await numberOf('gatehouse_tokens_total', { ...of, type: 'output' })).toBeGreaterThan(0);
  expect(await numberOf('gatehouse_cost_usd_total', of)).toBeGreaterThan(0);
  expect(await numberOf('gatehouse_provider_first_byte_seconds_count', of)).toBe(1);
  expect(await numberOf('gatehouse_provider_try_duration_seconds_count', of)).toBe(1);
  expect(await numberOf('gatehouse_provider_tries_open', { provider: 'openai' })).toBe(0);
  expect(await numberOf('gatehouse_calls_total', { operation: 'chat', outcome: 'OK', tries: '1' })).toBe(1);
});

it('contain no tenant, no key, no prompt and no model name that only a caller used', async () => {
  await ask('a-name-of-the-callers-own');
  await ask('another-name');
  const other = { provider: 'openai', model: 'other' };
  await eventually(async () => expect(await numberOf('gatehouse_provider_tries_total', other)).toBe(2));
  const all = await text();
  for (const secret of ['callers-own', 'another-name', 'marker', tenantId, 'Secretive', key, 'key_'])
    expect(all).not.toContain(secret);
});

it('contain no human, gateway, token, provider of a tenant or answer, however their calls end', async () => {
  const headers = { 'x-api-key': key, 'x-human-id': 'human-of-the-metrics' };
  const body = { model: 'gpt-4o', messages: [{ role: 'user', content: 'A marker of a prompt.' }] };
  expect((await service.call('POST', '/v1/chat/completions', { headers, body })).status).toBe(200);
  const made = await create(service, org, service.upstream, { name: 'gateway-of-the-metrics' });
  for (const token of [made.token, 'gw_gh_unknown'])
    await chat(service, made.gateway.id, token, { model: 'openai_compatible/a-name-of-the-gateways-caller' });
  service.upstream.next({ kind: 'body', status: 500, body: { error: { message: 'A marker of an error.' } } });
  await chat(service, made.gateway.id, made.token);
  const { token } = await mint(service, {
    secrets: [{ serviceId: 'chat:openai.com', authSecret: 'sk-of-the-metrics' }],
  });
  await processing(service, token, { serviceId: 'chat:dummy' });
  const all = await text();
  expect(all).toMatch(/gatehouse_provider_tries_total\{[^}]*provider="openai_compatible"/);
  const names = [
    'of-the-metrics',
    'gw_gh_unknown',
    'gateways-caller',
    'marker',
    'Hello',
    tenantId,
    GATEWAY_SECRET,
    key,
  ];
  for (const secret of [...names, made.gateway.id, made.token, token, service.upstream.baseUrl])
    expect({ secret, found: all.includes(secret) }).toEqual({ secret, found: false });
});

it('show the queues, the versions of secrets, the connections and the listener', async () => {
  expect(await numberOf('gatehouse_queue_depth', { queue: 'webhooks' })).toBe(0);
  expect(await numberOf('gatehouse_queue_depth', { queue: 'runs' })).toBe(0);
  expect(await numberOf('gatehouse_queue_oldest_seconds', { queue: 'claims' })).not.toBeNull();
  const [{ count }] = (await rowsOf(service.database.superuserUrl, 'SELECT count(*)::int FROM api_keys')) as [
    { count: number },
  ];
  expect(await numberOf('gatehouse_stored_secrets', { stored: 'api_keys', version: '1' })).toBe(count);
  expect(await numberOf('gatehouse_secret_newest_version', { secret: 'pepper' })).toBe(1);
  expect(await numberOf('gatehouse_database_connections_most', { pool: 'calls' })).toBeGreaterThan(0);
  expect(await numberOf('gatehouse_listener_up')).toBe(1);
});

it('count a refused admission by its reason', async () => {
  const refused = (): Promise<number | null> =>
    numberOf('gatehouse_ledger_admissions_refused_total', { reason: 'exceeded' });
  const body = { human: 'ann', limits: [{ type: 'request_cnt', value: 0 }] };
  await service.call('POST', '/v1/usage/token', { headers: { 'x-api-key': key }, body });
  const chat = { model: 'gpt-4o', messages: [{ role: 'user', content: 'x' }] };
  const headers = { 'x-api-key': key, 'x-human-id': 'ann' };
  expect((await service.call('POST', '/v1/chat/completions', { headers, body: chat })).status).toBe(429);
  expect(await refused()).toBe(1);
});
