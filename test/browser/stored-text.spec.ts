/** Text that people, callers and providers store is shown as text: on each page, tab, menu and dialog that shows it. */
import type { Page } from 'playwright-core';
import { eventually } from '../support/eventually.js';
import { DashboardWorld, goTo, WIDE } from './dashboard.js';
import { asOwner, fill, join, quickstartTenant } from './filled.js';
import { heading, PAGES, visit } from './page-visits.js';

/** Would run where a page took it for HTML, in each of the ways that a browser offers. */
const SCRIPT = '<img src=x onerror=stolen=1><svg onload=stolen=1>';
/** Each text is told from the others by its first word. */
const TEXTS = {
  org: `Org ${SCRIPT}`,
  tenant: `Tenant ${SCRIPT}`,
  otherTenant: `Elsewhere ${SCRIPT}`,
  key: `Key ${SCRIPT}`,
  keyDescription: `Described ${SCRIPT}`,
  keyModel: `Allowed ${SCRIPT}`,
  publishable: `Public ${SCRIPT}`,
  audience: `Audience ${SCRIPT}`,
  human: `Human ${SCRIPT}`,
  thread: `Thread ${SCRIPT}`,
  conversation: `Conversation ${SCRIPT}`,
  question: `Question ${SCRIPT}`,
  answer: `Answer ${SCRIPT}`,
  endpoint: `Endpoint ${SCRIPT}`,
  gateway: `Gateway ${SCRIPT}`,
  gatewayToken: `Token ${SCRIPT}`,
  gatewayModel: `Served ${SCRIPT}`,
  provider: `Provider ${SCRIPT}`,
  providerModel: `Listed ${SCRIPT}`,
  route: `Route ${SCRIPT}`,
  target: `Target ${SCRIPT}`,
  member: `Member ${SCRIPT}`,
  invited: `Invited ${SCRIPT}`,
  calledModel: `Called ${SCRIPT}`,
  calledProvider: `Upstream ${SCRIPT}`,
  calledRoute: `Asked ${SCRIPT}`,
  outcome: `Outcome ${SCRIPT}`,
  request: `Request ${SCRIPT}`,
  budgetModel: `Counted ${SCRIPT}`,
  deliveryError: `Refused ${SCRIPT}`,
  audited: `Audited ${SCRIPT}`,
} as const;

const CALLS = 60;

let world: DashboardWorld;
let gatewayId: string;

beforeAll(async () => {
  world = await DashboardWorld.start();
  gatewayId = await store();
});

afterAll(() => world.stop());

/** By the API where it takes such a text; by SQL where it refuses it, since no page may depend on that. */
async function store(): Promise<string> {
  const { service } = world;
  const { sql } = service;
  const run = (text: string, ...values: unknown[]) => sql.call(service, text, values);
  const ask = await asOwner(service);
  const tenantId = await quickstartTenant(service);
  await fill(service, { tenantId, keys: 4, calls: CALLS, humans: 40 });
  await ask('orgs/update', { name: TEXTS.org });
  await ask('tenants/update', { tenantId, name: TEXTS.tenant });
  await ask('tenants/create', { name: TEXTS.otherTenant });
  const { result } = await ask<{ result: { keyId: string } }>('api-keys/create', {
    ...{ name: TEXTS.key, description: TEXTS.keyDescription, models: [TEXTS.keyModel] },
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  });
  await ask('api-keys/create-publishable', {
    ...{ name: TEXTS.publishable, permissions: ['usage:read'], unlimited: true },
    oidcConfig: { issuer: 'https://issuer.example.com', audience: TEXTS.audience },
  });
  await ask('humans/upsert', { human: TEXTS.human, limits: [{ type: 'token_cnt', value: 9 }] });
  await ask('budgets/set', {
    ...{ holder: { human: TEXTS.human }, type: 'request_cnt', period: 'DAY', limit: '5' },
    models: [TEXTS.budgetModel],
  });
  const thread = { conversationKey: TEXTS.conversation, name: TEXTS.thread };
  await ask('llm/gateway/create-thread', { ...thread, generationConfig: { model: 'gpt-4o-mini' } });
  service.upstream.otherwise = () => ({
    kind: 'stream',
    pieces: [{ choices: [{ index: 0, delta: { content: TEXTS.answer }, finish_reason: 'stop' }] }],
  });
  const userMessage = { role: 'user', content: TEXTS.question };
  await ask('llm/gateway/send-message', { conversationKey: TEXTS.conversation, userMessage });
  const endpoint = { url: 'https://hooks.invalid/', events: ['run.failed'] };
  await ask('webhooks/create', { ...endpoint, description: TEXTS.endpoint });
  const { gateway } = await ask<{ gateway: { id: string } }>('gateways/create', {
    name: 'gateway',
    providers: [{ provider: 'openai', apiKey: 'sk-test', models: [TEXTS.gatewayModel] }],
  });
  await run('UPDATE gateways SET name = $1', TEXTS.gateway);
  await run('UPDATE gateway_tokens SET name = $1 WHERE gateway_id = $2', TEXTS.gatewayToken, gateway.id);
  const { provider } = await ask<{ provider: { providerId: string } }>('llm/providers/create', {
    ...{
      name: 'provider',
      kind: 'openai',
      credentials: { apiKey: 'sk-test' },
      models: [TEXTS.providerModel, TEXTS.target],
    },
  });
  await ask('llm/routes/create', {
    name: 'route',
    targets: [{ providerId: provider.providerId, model: TEXTS.target }],
  });
  await run('UPDATE llm_providers SET name = $1', TEXTS.provider);
  await run('UPDATE llm_routes SET name = $1', TEXTS.route);
  await join(service, 'dev-member', 'developer');
  await run("UPDATE users SET email = $1 WHERE id = 'dev-member'", TEXTS.member);
  await ask('orgs/invite-member', { email: 'grace@example.com', role: 'developer' });
  await run('UPDATE invitations SET email = $1 WHERE accepted_at IS NULL', TEXTS.invited);
  const [human] = await sql.call(service, 'SELECT id FROM humans WHERE human = $1', [TEXTS.human]);
  // The run's call, too, has written its own outcome by now.
  await eventually(async () => {
    const calls = await run('SELECT state FROM usage_records WHERE tenant_id = $1', tenantId);
    return calls.length > CALLS && calls.every(({ state }) => state === 'SETTLED');
  });
  await run(
    `UPDATE usage_records SET model = $2, provider = $3, route = $4, outcome = $5, request_id = $6, human_id = $7, key_id = $8,
       gateway_id = $9 WHERE tenant_id = $1`,
    ...[tenantId, TEXTS.calledModel, TEXTS.calledProvider, TEXTS.calledRoute, TEXTS.outcome, TEXTS.request],
    ...[human!['id'], result.keyId, gateway.id],
  );
  await run(
    `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at) VALUES ('ut_1', $1, $2, $3, now() + interval '1 day')`,
    ...[tenantId, result.keyId, human!['id']],
  );
  await run("UPDATE audit_events SET details = jsonb_build_object('text', $1::text)", TEXTS.audited);
  return gateway.id;
}

type Text = keyof typeof TEXTS;
interface Visit {
  readonly at: string;
  readonly name: string;
  /** What to do on the page first. */
  readonly open?: (page: Page) => Promise<unknown>;
  readonly texts: readonly Text[];
}

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const choose = (text: Text, action: string) => async (page: Page) => {
  await button(page, `Actions for ${TEXTS[text]}`).click();
  await page.getByRole('menuitem', { name: action, exact: true }).click();
};
const split = (by: string) => (page: Page) => page.getByText(by, { exact: true }).first().click();

/** Where each text is shown. */
const visits = (): readonly Visit[] => [
  { at: '/', name: 'Overview', texts: ['calledModel', 'key'] },
  { at: '/', name: 'Overview', open: (page) => button(page, /Switch tenant/).click(), texts: ['org', 'otherTenant'] },
  { at: '/', name: 'Overview', open: (page) => page.keyboard.press('Control+K'), texts: ['otherTenant'] },
  { at: '/start', name: 'Getting started', texts: ['outcome'] },
  { at: '/usage', name: 'Usage', texts: ['calledModel'] },
  { at: '/usage', name: 'Usage', open: split('API key'), texts: ['key'] },
  { at: '/usage', name: 'Usage', open: split('Human'), texts: ['human'] },
  { at: '/usage', name: 'Usage', open: split('Provider'), texts: ['calledProvider'] },
  { at: '/calls', name: 'Calls', texts: ['calledModel', 'calledProvider', 'key', 'human'] },
  {
    ...{ at: '/calls', name: 'Calls', open: (page) => page.getByRole('table').getByRole('button').first().click() },
    texts: ['calledModel', 'calledRoute', 'calledProvider', 'outcome', 'request', 'key', 'human', 'gateway'],
  },
  { at: '/threads', name: 'Threads', texts: ['thread', 'conversation'] },
  {
    ...{ at: '/threads', name: 'Threads', open: (page) => button(page, TEXTS.thread).click() },
    texts: ['thread', 'question', 'answer'],
  },
  { at: '/keys', name: 'API keys', texts: ['key'] },
  {
    ...{ at: '/keys', name: 'API keys', open: (page) => button(page, TEXTS.key).click() },
    texts: ['key', 'keyDescription', 'keyModel'],
  },
  { at: '/keys', name: 'API keys', open: choose('key', 'Rotate'), texts: ['key'] },
  { at: '/keys', name: 'API keys', open: choose('key', 'Revoke'), texts: ['key'] },
  { at: '/keys', name: 'API keys', open: choose('key', 'Edit'), texts: ['key'] },
  { at: '/keys', name: 'API keys', open: split('Publishable'), texts: ['publishable'] },
  { at: '/gateways', name: 'Gateways', texts: ['gateway'] },
  { at: `/gateways/${gatewayId}`, name: TEXTS.gateway, texts: ['gateway', 'gatewayModel'] },
  { at: `/gateways/${gatewayId}/tokens`, name: TEXTS.gateway, texts: ['gatewayToken'] },
  {
    ...{ at: `/gateways/${gatewayId}/tokens`, name: TEXTS.gateway, texts: ['gatewayToken'] },
    open: (page) => button(page, `Delete ${TEXTS.gatewayToken}`).click(),
  },
  { at: `/gateways/${gatewayId}/providers`, name: TEXTS.gateway, texts: ['provider', 'gatewayModel'] },
  { at: `/gateways/${gatewayId}/calls`, name: TEXTS.gateway, texts: ['calledModel', 'key'] },
  {
    ...{ at: `/gateways/${gatewayId}/settings`, name: TEXTS.gateway, texts: ['gateway'] },
    open: (page) => button(page, 'Delete gateway').click(),
  },
  { at: '/humans', name: 'Humans', texts: ['human'] },
  {
    ...{ at: '/humans', name: 'Humans', open: (page) => button(page, TEXTS.human).click() },
    texts: ['human', 'budgetModel'],
  },
  { at: '/humans', name: 'Humans', open: choose('human', 'Set limits'), texts: ['human'] },
  { at: '/humans', name: 'Humans', open: choose('human', 'Erase'), texts: ['human'] },
  { at: '/tokens', name: 'Usage tokens', texts: ['human', 'key'] },
  {
    ...{ at: '/tokens', name: 'Usage tokens', texts: ['human'] },
    open: (page) => button(page, `Revoke the token of ${TEXTS.human}`).click(),
  },
  { at: '/models', name: 'Providers and models', texts: ['provider', 'route', 'target', 'providerModel'] },
  { at: '/models', name: 'Providers and models', open: choose('provider', 'Edit'), texts: ['provider'] },
  { at: '/models', name: 'Providers and models', open: choose('provider', 'Delete'), texts: ['provider'] },
  { at: '/models', name: 'Providers and models', open: choose('route', 'Edit'), texts: ['route'] },
  { at: '/models', name: 'Providers and models', open: choose('route', 'Delete'), texts: ['route'] },
  { at: '/webhooks', name: 'Webhooks', texts: ['endpoint'] },
  { at: '/members', name: 'Members', texts: ['member', 'invited'] },
  { at: '/audit', name: 'Audit log', texts: [] },
  {
    ...{ at: '/audit', name: 'Audit log', texts: ['audited'] },
    open: (page) => page.getByRole('table').getByRole('button').first().click(),
  },
  { at: '/settings', name: 'Settings', texts: ['tenant', 'otherTenant'] },
  {
    ...{ at: '/settings', name: 'Settings', texts: ['tenant'] },
    open: (page) => button(page, 'Delete this tenant').click(),
  },
];

it('each text is there as text, no script of it runs, and the browser reports no violation', async () => {
  const { page, trespasses } = await world.enter(WIDE);
  page.setDefaultTimeout(4000);
  const unseen: string[] = [];
  for (const { at, name, open, texts } of visits()) {
    await goTo(page, '/start');
    await goTo(page, at);
    await heading(page, name).waitFor();
    await open?.(page).catch(() => unseen.push(`${at}: does not open`));
    for (const text of texts) {
      const shown = page.getByText(TEXTS[text]).or(page.locator(`[value="${TEXTS[text]}"]`));
      await shown
        .first()
        .waitFor({ state: 'attached' })
        .catch(() => unseen.push(`${at}: ${text}`));
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').or(page.getByRole('alertdialog')).first().waitFor({ state: 'detached' });
  }
  expect(unseen).toEqual([]);
  for (const [at, name] of PAGES) {
    await visit(page, at, name);
  }
  expect(await page.locator('[onerror], [onload], img[src="x"]').count()).toBe(0);
  expect(await page.evaluate<unknown>('globalThis.stolen')).toBeUndefined();
  expect(trespasses.violations).toEqual([]);
  await page.context().close();
});
