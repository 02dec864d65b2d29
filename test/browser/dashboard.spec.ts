/** The dashboard's main flows in a real browser: a person, a started service and a real Postgres. */
import type { Page } from 'playwright-core';
import { DashboardWorld, faultsOf, signIn, WIDE } from './dashboard.js';
import { faultsAt, heading, LOOKS, PAGES } from './page-visits.js';

let world: DashboardWorld;

beforeAll(async () => {
  world = await DashboardWorld.start();
});

afterAll(() => world.stop());

const button = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: typeof name === 'string' });

/** Creates a key, and leaves the dialog with its secret open. */
async function makeKey(page: Page, name: string): Promise<string> {
  await button(page, 'Create key').first().click();
  await page.getByLabel('Name', { exact: true }).fill(name);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  return page.getByTestId('secret').innerText();
}

async function storeSecret(page: Page): Promise<void> {
  await button(page, 'I have stored it').click();
  await button(page, 'Close anyway').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

it.each(LOOKS)(
  'each page of an empty tenant is accessible, breaks no policy and calls no other host: %s',
  async (_name, look) => {
    const { page, trespasses } = await world.enter(look);
    const faults: string[] = [];
    for (const [at, name] of PAGES) faults.push(...(await faultsAt(page, at, name)));
    expect(faults).toEqual([]);
    expect(trespasses.violations).toEqual([]);
    expect([...trespasses.hosts]).toEqual([new URL(world.service.baseUrl).host]);
    await page.context().close();
  },
);

it('keeps no token where a script could find it later', async () => {
  const { page } = await world.enter(WIDE, '/keys');
  await heading(page, 'API keys').waitFor();
  const kept = await page.evaluate<string>(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.body.outerHTML])',
  );
  expect(kept).not.toContain('eyJ');
  await page.context().close();
});

it('a secret that is shown once is not lost by Escape, a click beside the dialog or a step back', async () => {
  const { page } = await world.enter(WIDE);
  await heading(page, 'Overview').waitFor();
  await page.getByRole('link', { name: 'API keys' }).click();
  const secret = await makeKey(page, 'Kept key');
  expect(secret).toMatch(/^sk_/);
  expect(await faultsOf(page)).toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByText('You have not copied it.').waitFor();
  await page.mouse.click(5, 5);
  await page.evaluate('history.back()');
  expect(await page.getByTestId('secret').innerText()).toBe(secret);
  await button(page, 'Close anyway').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const row = page.getByRole('row', { name: /Kept key/ });
  await row.getByText('Active').waitFor();
  expect(await page.content()).not.toContain(secret);

  await button(page, 'Actions for Kept key').click();
  await page.getByRole('menuitem', { name: 'Revoke' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke key' }).click();
  await row.getByText('Revoked').waitFor();
  await page.context().close();
});

it('a gateway has a tab of tokens: they are created by name, shown once, listed, and deleted after a confirmation', async () => {
  const { page } = await world.enter(WIDE, '/gateways');
  await button(page, 'Create gateway').first().click();
  await page.getByLabel('Name', { exact: true }).fill('front-door');
  await page.getByRole('dialog').getByLabel('API key').fill('sk-test');
  await page.getByRole('dialog').getByRole('button', { name: 'Create gateway' }).click();
  await page.getByTestId('secret').waitFor();
  await storeSecret(page);
  await page.getByRole('link', { name: 'front-door' }).click();
  await page.getByRole('link', { name: 'Authentication Token' }).click();

  await button(page, 'Create authentication token').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create authentication token' }).click();
  expect(await dialog.getByLabel('Token name').getAttribute('aria-invalid')).toBe('true');
  await dialog.getByLabel('Token name').fill('Mobile app');
  await dialog.getByRole('button', { name: 'Create authentication token' }).click();
  await dialog.getByText('valid for the gateway “front-door” only').waitFor();
  await storeSecret(page);

  const table = page.getByRole('table', { name: 'Authentication Token' });
  const heads = await table.getByRole('columnheader').allInnerTexts();
  expect(heads).toEqual(expect.arrayContaining(['Token name', 'Created at', 'Status']));
  await table.getByRole('row', { name: /Mobile app.*Active/ }).waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await button(page, 'Delete Mobile app').click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Confirm' }).click();
  await table.getByRole('row', { name: /Mobile app/ }).waitFor({ state: 'detached' });
  await page.context().close();
});

it('when another tab switches the tenant, this tab is blocked and shows nothing of the old tenant', async () => {
  const context = await world.context(WIDE);
  const { page: first } = await world.open(context, '/keys');
  await signIn(first, 'dev-owner');
  const { page: second } = await world.open(context, '/keys');
  await signIn(second, 'dev-owner');
  await makeKey(second, 'Only in the first tenant');
  await storeSecret(second);
  await button(second, /Switch tenant/).click();
  await second.getByRole('menuitem', { name: 'New tenant' }).click();
  await second.getByLabel('Name', { exact: true }).fill('Staging');
  await second.getByRole('dialog').getByRole('button', { name: 'New tenant' }).click();
  await second.getByText('You are in Staging now.').waitFor();
  await second.getByText('No keys yet').waitFor();
  expect(await second.getByText('Only in the first tenant').count()).toBe(0);

  const moved = first.getByRole('alertdialog', { name: 'You moved to another tenant' });
  await moved.waitFor();
  expect(await faultsOf(first)).toEqual([]);
  await moved.getByRole('button', { name: 'Go back there' }).click();
  await moved.waitFor({ state: 'detached' });
  await context.close();
});

it('an invited viewer joins by the link, and sees no action that the role does not allow', async () => {
  const { page } = await world.enter(WIDE, '/members');
  await button(page, 'Invite').first().click();
  await page.getByLabel('E-mail address').fill('dev-viewer@example.com');
  await page.getByRole('dialog').getByLabel('Role').selectOption('viewer');
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click();
  const link = new URL(await page.getByTestId('secret').innerText());
  await storeSecret(page);
  await page.context().close();

  const guests = await world.context(WIDE);
  const guest = await guests.newPage();
  await guest.goto(`${world.service.baseUrl}${link.pathname}${link.hash}`);
  await signIn(guest, 'dev-viewer');
  await button(guest, 'Accept the invitation').click();
  await button(guest, 'Go to the dashboard').click();
  await heading(guest, 'Overview').waitFor();
  const rail = guest.getByRole('navigation', { name: 'Main' });
  expect(await rail.getByRole('link', { name: 'Audit log' }).count()).toBe(0);
  expect(await rail.getByRole('link', { name: 'Playground' }).count()).toBe(0);
  await rail.getByRole('link', { name: 'API keys' }).click();
  await guest.getByRole('row', { name: /Quickstart/ }).waitFor();
  expect(await button(guest, 'Create key').count()).toBe(0);
  await guests.close();
});
