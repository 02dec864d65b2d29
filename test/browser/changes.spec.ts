/** What people set up and change: providers, prices, gateways, budgets, webhooks, members, and a first call. */
import type { Page } from 'playwright-core';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { DashboardWorld, faultsOf, goTo, WIDE } from './dashboard.js';
import { asOwner, join, meOf } from './filled.js';
import { heading } from './page-visits.js';

let world: DashboardWorld;
let receiver: WebhookReceiver;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  world = await DashboardWorld.start({ env: { GATEHOUSE_DEV: '1', ...receiver.environment } });
});

afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const dialog = (page: Page) => page.getByRole('dialog').or(page.getByRole('alertdialog')).last();
const said = (page: Page, text: string) => page.getByText(text, { exact: true }).first().waitFor();

async function choose(page: Page, thing: string, action: string): Promise<void> {
  await button(page, `Actions for ${thing}`).click();
  await page.getByRole('menuitem', { name: action, exact: true }).click();
}

async function confirm(page: Page, action: string): Promise<void> {
  await page.getByRole('alertdialog').getByRole('button', { name: action }).click();
  await page.getByRole('alertdialog').waitFor({ state: 'detached' });
}

it('a provider is tested by a real call, and the page says what it answered; an unknown model gets a price', async () => {
  const { upstream } = world.service;
  const ask = await asOwner(world.service);
  const local = { kind: 'openai_compatible', baseUrl: upstream.baseUrl, models: ['zebra'] };
  await ask('llm/providers/create', { name: 'local', ...local, credentials: { apiKey: 'sk-local' } });
  const { page } = await world.enter(WIDE, '/models');
  const provider = page.getByRole('table', { name: 'Providers' }).getByRole('row', { name: /local/ });
  await provider.getByRole('button', { name: 'Test' }).click();
  await said(page, 'local answers.');
  upstream.next({ kind: 'body', status: 401, body: { error: { message: 'Incorrect API key provided.' } } });
  await provider.getByRole('button', { name: 'Test' }).click();
  await page.getByText(/^local: .*Incorrect API key provided/).waitFor();

  const model = page.getByRole('table', { name: 'Models' }).getByRole('row', { name: /zebra/ });
  await model.getByText('No price').waitFor();
  await model.getByRole('button', { name: 'Set price' }).click();
  await dialog(page).getByLabel('Input', { exact: true }).fill('1.5');
  await dialog(page).getByLabel('Output', { exact: true }).fill('6');
  await dialog(page).getByLabel('Context (tokens)').fill('32000');
  await dialog(page).getByLabel('Longest answer (tokens)').fill('4000');
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByRole('button', { name: 'Set price' }).click();
  await model.getByText('Your price').waitFor();
  await model.getByText('$1.50/M').waitFor();
  await model.getByText('$6.00/M').waitFor();
  await model.getByRole('button', { name: 'Set price' }).click();
  await button(page, 'Use the built-in facts').click();
  await model.getByText('No price').waitFor();
  await page.context().close();
});

it("a gateway's name, limits, cache and providers change, and it is deleted after a confirmation", async () => {
  const ask = await asOwner(world.service);
  const { gateway } = await ask<{ gateway: { id: string } }>('gateways/create', {
    name: 'old-door',
    providers: [{ provider: 'openai', apiKey: 'sk-test', models: ['gpt-4o'] }],
  });
  const at = `/gateways/${gateway.id}`;
  const { page } = await world.enter(WIDE, `${at}/settings`);
  await page.getByLabel('Name', { exact: true }).fill('new-door');
  await page.getByLabel('Requests', { exact: true }).fill('250');
  await page.getByLabel('Keep the bodies of calls for (days)').fill('7');
  await button(page, 'Save').click();
  await heading(page, 'new-door').waitFor();
  await goTo(page, at);
  await page.getByText('250 requests a minute').waitFor();
  await goTo(page, `${at}/cache`);
  await page.getByLabel('Keep answers for (seconds)').fill('3600');
  await button(page, 'Save').click();
  await said(page, 'Saved.');
  await goTo(page, `${at}/providers`);
  await button(page, 'Add provider').click();
  await dialog(page).getByLabel('Name').fill('second');
  await dialog(page)
    .getByLabel(/API key/)
    .fill('sk-second');
  await dialog(page)
    .getByRole('button', { name: /Add provider|Save/ })
    .click();
  await page.getByRole('row', { name: /second/ }).waitFor();
  await choose(page, 'second', 'Remove');
  await confirm(page, 'Remove');
  await page.getByRole('row', { name: /second/ }).waitFor({ state: 'detached' });
  const stored = await ask<{ gateway: object }>('gateways/get', { gatewayId: gateway.id });
  expect(stored.gateway).toMatchObject({ cache: { ttlSeconds: 3600 }, bodies: { retentionDays: 7 } });
  await goTo(page, `${at}/settings`);
  await button(page, 'Delete gateway').click();
  await confirm(page, 'Delete gateway');
  await heading(page, 'Gateways').waitFor();
  expect(await page.getByText('new-door', { exact: true }).count()).toBe(0);
  await page.context().close();
});

it("a gateway's token takes an expiry and limits of its own, and a budget", async () => {
  const ask = await asOwner(world.service);
  const { gateway } = await ask<{ gateway: { id: string } }>('gateways/create', {
    name: 'token-door',
    providers: [{ provider: 'openai', apiKey: 'sk-test', models: ['gpt-4o'] }],
  });
  const { page } = await world.enter(WIDE, `/gateways/${gateway.id}/tokens`);
  await button(page, 'Create authentication token').click();
  await dialog(page).getByLabel('Token name').fill('Trial');
  expect(await dialog(page).getByLabel('Expires').isVisible()).toBe(false);
  await dialog(page).getByText('More', { exact: true }).click();
  await dialog(page).getByLabel('Expires').selectOption('30');
  await dialog(page).getByLabel('Requests', { exact: true }).fill('40');
  await dialog(page).getByLabel('in each').first().selectOption('HOUR');
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByRole('button', { name: 'Create authentication token' }).click();
  await page.getByTestId('secret').waitFor();
  await button(page, 'I have stored it').click();
  await button(page, 'Close anyway').click();
  await button(page, 'Trial').click();
  await dialog(page).getByText('40 requests an hour').waitFor();
  await button(page, 'Set budget').click();
  await dialog(page).getByLabel('Limit in dollars').fill('3');
  await dialog(page).getByRole('button', { name: 'Set budget' }).click();
  await page.getByText('of $3.00 used').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  const [stored] = await world.service.sql<{ days: number }>(
    "SELECT round(extract(epoch FROM expires_at - created_at) / 86400)::integer AS days FROM gateway_tokens WHERE name = 'Trial'",
  );
  expect(stored).toEqual({ days: 30 });
  await page.context().close();
});

it('a budget counts the calls of some models alone, and tells the webhooks at the chosen marks', async () => {
  const { page } = await world.enter(WIDE, '/settings');
  const budgets = page.getByRole('region', { name: 'Budgets' });
  await budgets.getByRole('button', { name: 'Set budget' }).click();
  await dialog(page).getByLabel('Limit in dollars').fill('9');
  await dialog(page).getByText('More', { exact: true }).click();
  await dialog(page).getByLabel('Models').fill('gpt-4o, gpt-4o-mini');
  await dialog(page)
    .getByLabel(/percent/)
    .fill('50, 120');
  await dialog(page).getByRole('button', { name: 'Set budget' }).click();
  await dialog(page).getByText('must be a whole number from 1 to 100').waitFor();
  await dialog(page)
    .getByLabel(/percent/)
    .fill('50, 90');
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByRole('button', { name: 'Set budget' }).click();
  await budgets.getByText('each month, gpt-4o, gpt-4o-mini').waitFor();
  await budgets.getByText('webhook at 50%, 90%').waitFor();
  await budgets.getByRole('button', { name: 'Remove' }).click();
  await confirm(page, 'Remove');
  await budgets.getByText('No budgets').waitFor();
  await page.context().close();
});

it("the tenant's budget is set, set again, and removed", async () => {
  const { page } = await world.enter(WIDE, '/settings');
  const budgets = page.getByRole('region', { name: 'Budgets' });
  for (const limit of ['12', '20']) {
    await budgets.getByRole('button', { name: 'Set budget' }).click();
    await dialog(page).getByLabel('In each').selectOption('DAY');
    await dialog(page).getByLabel('Limit in dollars').fill(limit);
    await dialog(page).getByRole('button', { name: 'Set budget' }).click();
    await budgets.getByText(`of $${limit}.00 used`).waitFor();
  }
  await budgets.getByRole('button', { name: 'Remove' }).click();
  await confirm(page, 'Remove');
  await budgets.getByText('No budgets').waitFor();
  await page.context().close();
});

it('an endpoint gets a test event, and a delivery again at a click', async () => {
  const ask = await asOwner(world.service);
  const url = receiver.url('/hooks');
  await ask('webhooks/create', { url, events: ['run.failed'] });
  const { page } = await world.enter(WIDE, '/webhooks');
  await choose(page, url, 'Send a test');
  await said(page, 'A test event is on its way.');
  while (receiver.received.length < 1) await page.waitForTimeout(50);
  await page.getByLabel('Status').selectOption('DELIVERED');
  const delivery = page.getByRole('table', { name: 'Deliveries' }).getByRole('row', { name: /webhook\.test/ });
  await delivery.first().getByText('Delivered').waitFor();
  await delivery.first().getByRole('button', { name: 'Deliver again' }).click();
  await said(page, 'It is on its way again.');
  while (receiver.received.length < 2) await page.waitForTimeout(50);
  expect(receiver.received.map(({ type }) => type)).toEqual(['webhook.test', 'webhook.test']);
  await choose(page, url, 'Disable');
  await page.getByRole('row', { name: /Disabled by you/ }).waitFor();
  await choose(page, url, 'Delete');
  await confirm(page, 'Delete');
  await page.getByText('No endpoints yet').waitFor();
  await page.context().close();
});

it('an endpoint moves to another address with its secret alone, takes other events, and stops', async () => {
  const ask = await asOwner(world.service);
  const from = receiver.url('/from');
  const to = receiver.url('/to');
  const { secret } = await ask<{ secret: string }>('webhooks/create', { url: from, events: ['run.failed'] });
  const { page } = await world.enter(WIDE, '/webhooks');
  await choose(page, from, 'Edit');
  expect(await dialog(page).getByLabel('The signing secret').count()).toBe(0);
  await dialog(page).getByLabel('Address').fill(to);
  await dialog(page).getByLabel('The signing secret').fill('whsec_wrong');
  await dialog(page).getByLabel('run.completed').check();
  await dialog(page).getByLabel('Events are delivered to this endpoint').uncheck();
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.locator('[aria-invalid="true"][name="secret"]').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByLabel('The signing secret').fill(secret);
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await page.getByRole('row', { name: /Disabled by you/ }).waitFor();
  const { endpoints } = await ask<{ endpoints: object[] }>('webhooks/list', {});
  expect(endpoints).toMatchObject([{ url: to, events: ['run.completed', 'run.failed'], status: 'DISABLED' }]);
  await choose(page, to, 'Delete');
  await confirm(page, 'Delete');
  await page.getByText('No endpoints yet').waitFor();
  await page.context().close();
});

it("a member's role changes, the member is removed, and an invitation is revoked", async () => {
  await join(world.service, 'dev-mate', 'developer');
  const ask = await asOwner(world.service);
  await ask('orgs/invite-member', { email: 'late@example.com', role: 'viewer' });
  const { page } = await world.enter(WIDE, '/members');
  await page.getByLabel('Role of dev-mate@example.com').selectOption('admin');
  await said(page, 'The role is changed. It holds within a second.');
  expect(await meOf(world.service, 'dev-mate')).toMatchObject({ role: 'admin' });
  const mate = page.getByRole('row', { name: /dev-mate/ });
  await mate.getByRole('button', { name: 'Remove' }).click();
  await confirm(page, 'Remove');
  await mate.waitFor({ state: 'detached' });
  await page.getByRole('row', { name: /late@/ }).getByRole('button', { name: 'Revoke' }).click();
  await confirm(page, 'Revoke');
  await page.getByText('No open invitations').waitFor();
  await page.context().close();
});

it('the first call is led to: a key is made, the page waits, says why it failed, and then that it arrived', async () => {
  const { page } = await world.enter(WIDE, '/start');
  await button(page, 'Make a key').click();
  await page.getByText('The key is made.').waitFor();
  const code = await page.locator('pre').innerText();
  const key = /sk_\w+/.exec(code)?.[0] ?? '';
  const call = (body: object) =>
    world.service.call('POST', '/v1/chat/completions', { headers: { authorization: `Bearer ${key}` }, body });
  const asked = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello!' }] };
  world.service.upstream.next({ kind: 'body', status: 500, body: { error: { message: 'broken' } } });
  await call(asked);
  await page.getByText('A call came, and failed.').waitFor();
  expect((await call(asked)).status).toBe(200);
  await page.getByText('Your first call arrived.').waitFor();
  await page.getByRole('link', { name: 'See the call' }).click();
  await dialog(page).getByText('First byte after').waitFor();
  await page.context().close();
});
