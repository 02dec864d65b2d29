/**
 * Each page and dialog in a large tenant: 10,000 keys and 100,000 calls. With GATEHOUSE_SCREENSHOTS each page is also saved as
 * a picture (`npm run dashboard:screenshots`).
 */
import path from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { DashboardWorld, faultsOf, goTo, loaded, WIDE, type Look } from './dashboard.js';
import { fill, furnish, quickstartTenant } from './filled.js';
import { faultsAt, heading, LOOKS, PAGES } from './page-visits.js';

const SCREENSHOTS = process.env['GATEHOUSE_SCREENSHOTS'];
const MOST_BYTES = 250 * 1024;

const GATEWAY_TABS = ['', '/tokens', '/providers', '/cache', '/calls', '/settings'] as const;

let world: DashboardWorld;
let gatewayId: string;

beforeAll(async () => {
  world = await DashboardWorld.start();
  const tenantId = await quickstartTenant(world.service);
  await fill(world.service, { tenantId, keys: 10_000, calls: 100_000, humans: 2000 });
  gatewayId = await furnish(world.service, tenantId);
});

afterAll(() => world.stop());

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const dialog = (page: Page) => page.getByRole('dialog');

it('the first load of the overview is at most 250 KB compressed as in the image, fonts included', async () => {
  const { page } = await world.enter(WIDE);
  await page.getByRole('slider').waitFor();
  const loaded = await page.evaluate<string[]>(
    `[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(({ name }) => name)`,
  );
  const files = loaded
    .map((name) => new URL(name).pathname)
    .filter((name) => /^\/dashboard\/(?:assets|theme|$)/.test(name));
  expect(files.length).toBeGreaterThan(10);
  const sizes = await Promise.all(files.map((file) => sizeOf(file)));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(MOST_BYTES);
  await page.context().close();
});

async function sizeOf(file: string): Promise<number> {
  const content = Buffer.from(await (await fetch(`${world.service.baseUrl}${file}`)).arrayBuffer());
  return file.endsWith('.woff2') ? content.length : brotliCompressSync(content).length;
}

it.each(LOOKS)(
  'each page is accessible, fits the screen, breaks no policy and calls no other host: %s',
  async (_name, look: Look) => {
    const { page, trespasses } = await world.enter(look);
    const faults: string[] = [];
    const visit = async (at: string, name: string, picture: string): Promise<void> => {
      faults.push(...(await faultsAt(page, at, name)));
      if (SCREENSHOTS !== undefined && look.theme === 'light') {
        await page.screenshot({ path: path.resolve(SCREENSHOTS, `${picture}.png`) });
      }
    };
    for (const [at, name, picture] of PAGES) await visit(at, name, picture);
    for (const tab of GATEWAY_TABS)
      await visit(`/gateways/${gatewayId}${tab}`, 'front-door', `gateway${tab.replace('/', '-')}`);
    expect(faults).toEqual([]);
    expect(trespasses.violations).toEqual([]);
    expect([...trespasses.hosts]).toEqual([new URL(world.service.baseUrl).host]);
    await page.context().close();
  },
);

it('long lists load a page at a time by one request each, and the service searches them', async () => {
  const { page } = await world.enter(WIDE, '/keys');
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  const rows = page.getByRole('table', { name: 'API keys' }).getByRole('row');
  await rows.nth(50).waitFor();
  asked.length = 0;
  await button(page, 'Show more').click();
  await rows.nth(100).waitFor();
  expect(asked.filter((path) => path.startsWith('/api/'))).toEqual(['/api/v1/api-keys/list']);
  await page.getByLabel('Search by name or first characters').fill('Staging 9997');
  await page.getByRole('row', { name: /Staging 9997/ }).waitFor();
  expect(await rows.count()).toBe(2);

  await goTo(page, '/calls');
  const calls = page.getByRole('table', { name: 'Calls' }).getByRole('row');
  await calls.nth(50).waitFor();
  asked.length = 0;
  await button(page, 'Show more').click();
  await calls.nth(100).waitFor();
  expect(asked.filter((path) => path.startsWith('/api/') && !path.endsWith('/get-call'))).toEqual([
    '/api/v1/usage/list-calls',
  ]);
  await calls.nth(1).getByRole('button').click();
  for (const fact of ['Input tokens', 'Output tokens', 'Cost', 'Duration', 'First byte after', 'Request id']) {
    await dialog(page).getByText(fact, { exact: true }).first().waitFor();
  }
  expect(await faultsOf(page)).toEqual([]);
  await goTo(page, '/usage');
  await page.getByRole('slider').waitFor();
  await page.context().close();
});

/** The steps that open each dialog on its page. */
const DIALOGS: readonly (readonly [string, string, (page: Page) => Promise<void>])[] = [
  ['/keys', 'API keys', (page) => button(page, 'Create key').first().click()],
  [
    '/keys',
    'API keys',
    (page) =>
      button(page, /^Production/)
        .first()
        .click(),
  ],
  ['/humans', 'Humans', (page) => button(page, 'Add human').first().click()],
  [
    '/humans',
    'Humans',
    (page) =>
      button(page, /@example\.com$/)
        .first()
        .click(),
  ],
  ['/gateways', 'Gateways', (page) => button(page, 'Create gateway').first().click()],
  ['/models', 'Providers and models', (page) => button(page, 'Add provider').click()],
  ['/models', 'Providers and models', (page) => button(page, 'Add route').click()],
  ['/webhooks', 'Webhooks', (page) => button(page, 'Add endpoint').first().click()],
  ['/members', 'Members', (page) => button(page, 'Invite').first().click()],
  ['/settings', 'Settings', (page) => button(page, 'Set budget').click()],
  ['/', 'Overview', (page) => page.keyboard.press('Control+K')],
];

it.each(LOOKS)('each dialog is accessible and fits the screen: %s', async (_name, look: Look) => {
  const { page, trespasses } = await world.enter(look);
  const faults: string[] = [];
  for (const [at, name, open] of DIALOGS) {
    await goTo(page, at);
    await heading(page, name).waitFor();
    await open(page);
    await dialog(page).first().waitFor();
    await loaded(page);
    faults.push(...(await faultsOf(page)).map((fault) => `${at}: ${fault}`));
    await page.keyboard.press('Escape');
    await dialog(page).first().waitFor({ state: 'detached' });
  }
  expect(faults).toEqual([]);
  expect(trespasses.violations).toEqual([]);
  await page.context().close();
});
