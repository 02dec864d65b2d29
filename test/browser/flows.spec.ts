/** What people do on the pages. */
import type { Page } from 'playwright-core';
import { DashboardWorld, faultsOf, goTo, signIn, WIDE } from './dashboard.js';
import { fill, quickstartTenant } from './filled.js';

let world: DashboardWorld;
let tenantId: string;

beforeAll(async () => {
  world = await DashboardWorld.start();
  tenantId = await quickstartTenant(world.service);
  await fill(world.service, { tenantId, keys: 40, calls: 400, humans: 40 });
});

afterAll(() => world.stop());

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const dialog = (page: Page) => page.getByRole('dialog');
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });

async function choose(page: Page, thing: string, action: string): Promise<void> {
  await button(page, `Actions for ${thing}`).click();
  await page.getByRole('menuitem', { name: action, exact: true }).click();
}

it('a key shows who made it, when it was rotated and its usage, and takes a budget of its own', async () => {
  const { page } = await world.enter(WIDE, '/keys');
  await page.getByLabel('Search by name or first characters').fill('Staging 1');
  await choose(page, 'Staging 1', 'Rotate');
  await dialog(page).getByRole('button', { name: 'Rotate key' }).click();
  await page.getByTestId('secret').waitFor();
  await button(page, 'I have stored it').click();
  await button(page, 'Close anyway').click();
  await page.getByText(/^Old secret ends/).waitFor();
  await button(page, 'Staging 1').click();
  const drawer = dialog(page);
  await drawer.getByText('Created by').waitFor();
  await drawer.getByText('The old secret works until').waitFor();
  await drawer.getByText('Last 30 days').waitFor();
  await drawer.getByRole('button', { name: 'Set budget' }).click();
  await page.getByLabel('Limit in dollars').fill('5');
  await dialog(page).last().getByRole('button', { name: 'Set budget' }).click();
  await page.getByText(/ of \$5\.00 used/).waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.context().close();
});

it("a human's limits and budgets show what is left; revoking one usage token leaves the others", async () => {
  await world.service.sql(
    `INSERT INTO usage_tokens (id, tenant_id, key_id, human_id, expires_at)
     SELECT 'ut_filled' || n, $1, 'key_filled1', 'hum_filled1', now() + interval '1 day' FROM generate_series(1, 2) AS n`,
    [tenantId],
  );
  const { page } = await world.enter(WIDE, '/humans');
  await page.getByLabel('Search by id').fill('bob.1@');
  await choose(page, 'bob.1@example.com', 'Set limits');
  await dialog(page).getByLabel('Tokens').fill('5000');
  await dialog(page).getByRole('button', { name: 'Set limits' }).click();
  await page.getByText('5,000 tokens left').waitFor();
  await button(page, 'bob.1@example.com').click();
  await page.getByText('0 of 5,000 tokens used').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByRole('link', { name: 'Usage tokens' }).click();
  await heading(page, 'Usage tokens').waitFor();
  const rows = page.getByRole('row', { name: /bob\.1@example\.com/ });
  await rows.nth(1).waitFor();
  await button(page, 'Revoke the token of bob.1@example.com').first().click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke' }).click();
  await rows.getByText('Revoked').waitFor();
  expect(await rows.getByText('Active').count()).toBe(1);
  await page.context().close();
});

it('a user sets up providers of each kind and edits them; a route leads to several, in order or by weight', async () => {
  const { page } = await world.enter(WIDE, '/models');
  await button(page, 'Add provider').click();
  await dialog(page).getByLabel('Name').fill('frankfurt');
  await dialog(page).getByLabel('Kind').selectOption('amazon_bedrock');
  await dialog(page).getByLabel('AWS region').fill('eu-central-1');
  await dialog(page).getByLabel('Access key id').fill('AKIAIOSFODNN7EXAMPLE');
  await dialog(page).getByLabel('Secret access key').fill('a-secret-that-is-stored');
  await dialog(page).getByLabel('Models').fill('anthropic.claude, amazon.nova');
  await dialog(page).getByRole('button', { name: 'Add provider' }).click();
  const providers = page.getByRole('table', { name: 'Providers' });
  await providers.getByRole('row', { name: /frankfurt/ }).waitFor();
  await choose(page, 'frankfurt', 'Edit');
  expect(await dialog(page).getByLabel('Secret access key').inputValue()).toBe('');
  expect(await dialog(page).getByLabel('AWS region').inputValue()).toBe('eu-central-1');
  await dialog(page).getByLabel('Calls can go to this provider').uncheck();
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await providers.getByRole('row', { name: /frankfurt.*Disabled/ }).waitFor();

  await button(page, 'Add route').click();
  await dialog(page).getByLabel('Name').fill('fast');
  await dialog(page).getByLabel('Model').fill('anthropic.claude');
  await button(page, 'Add target').click();
  await dialog(page).getByLabel('Model').nth(1).fill('amazon.nova');
  expect(await faultsOf(page)).toEqual([]);
  await dialog(page).getByRole('button', { name: 'Add route' }).click();
  const routes = page.getByRole('table', { name: 'Routes' });
  await routes.getByText('anthropic.claude → amazon.nova').waitFor();
  await choose(page, 'fast', 'Edit');
  await dialog(page).getByText('By weight').click();
  await dialog(page).getByRole('spinbutton', { name: 'Weight' }).first().fill('3');
  await dialog(page).getByRole('button', { name: 'Save' }).click();
  await routes.getByText('anthropic.claude (3), amazon.nova (1)').waitFor();
  await choose(page, 'fast', 'Delete');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No routes yet').waitFor();
  await page.context().close();
});

it('a delivery shows each of its attempts; the audit log is saved as a file', async () => {
  const { page } = await world.enter(WIDE, '/webhooks');
  await button(page, 'Add endpoint').first().click();
  await dialog(page).getByLabel('Address').fill('https://hooks.invalid/receive');
  await dialog(page).getByRole('checkbox').first().check();
  await dialog(page).getByRole('button', { name: 'Add endpoint' }).click();
  await page.getByTestId('secret').waitFor();
  await button(page, 'I have stored it').click();
  await button(page, 'Close anyway').click();
  await choose(page, 'https://hooks.invalid/receive', 'Send a test');
  const ended = 'SELECT 1 FROM webhook_deliveries WHERE jsonb_array_length(attempt_log) > 0';
  while ((await world.service.sql(ended)).length === 0) await page.waitForTimeout(50);
  await page.getByLabel('Status').selectOption('PENDING');
  await button(page, 'webhook.test').click();
  await dialog(page)
    .getByRole('row', { name: /UNREACHABLE/ })
    .first()
    .waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.keyboard.press('Escape');

  await goTo(page, '/audit');
  const saving = page.waitForEvent('download');
  await button(page, 'Download CSV').click();
  expect((await saving).suggestedFilename()).toBe('audit-log.csv');
  await page.context().close();
});

it('pages that are offline or fail say so, and recover by themselves or at a click', async () => {
  const { page } = await world.enter(WIDE);
  await heading(page, 'Overview').waitFor();
  await page.context().setOffline(true);
  await page.getByText('You are offline. What you see may be old.').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.context().setOffline(false);
  await page.getByText('You are offline. What you see may be old.').waitFor({ state: 'detached' });
  await page.route('**/api/v1/gateways/list', (route) =>
    route.fulfill({ status: 400, json: { error: { message: 'Refused for a test.' } } }),
  );
  await goTo(page, '/gateways');
  await page.getByText('Refused for a test.').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.unroute('**/api/v1/gateways/list');
  await button(page, 'Try again').click();
  await page.getByText('No gateways yet').waitFor();
  await page.context().close();
});

it('usage is split by provider, by days of UTC or of the reader’s own zone', async () => {
  const context = await world.browser.newContext({ locale: 'en-GB', timezoneId: 'Asia/Kolkata' });
  const { page } = await world.open(context, '/usage?period=90d');
  await signIn(page, 'dev-owner');
  const chart = page.getByRole('slider');
  await chart.waitFor();
  const total = await page.locator('.text-3xl').innerText();
  const asked = page.waitForRequest((request) => (request.postData() ?? '').includes('"timeZone":"Asia/'));
  await page.getByLabel('Time zone').selectOption('local');
  await asked;
  await page.getByText('Provider', { exact: true }).click();
  await page.getByRole('link', { name: 'anthropic' }).waitFor();
  expect(await page.locator('.text-3xl').innerText()).toBe(total);
  // A day whose bucket differs from the service's would show nothing.
  await chart.focus();
  for (let day = 0; day < 3; day += 1) await page.keyboard.press('ArrowLeft');
  expect(await chart.getAttribute('aria-valuetext')).not.toMatch(/\$0\.00$/);
  expect(await faultsOf(page)).toEqual([]);
  await context.close();
});
