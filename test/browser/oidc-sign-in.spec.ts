/** People sign in by an OpenID Connect issuer: a real browser, a production service, and a real issuer on loopback. */
import type { BrowserContext, Page } from 'playwright-core';
import { DashboardWorld, faultsOf, WIDE } from './dashboard.js';
import { CLIENT_ID, fillIn, OidcIssuer, signInAs } from './oidc-issuer.js';
import { LOOKS } from './page-visits.js';

let issuer: OidcIssuer;
/** Only memory holds the sign-in. */
let world: DashboardWorld;
/** Its API takes access tokens, and the tab keeps the sign-in over a reload. */
let keeping: DashboardWorld;
let apiIssuer: OidcIssuer;

beforeAll(async () => {
  issuer = await OidcIssuer.start();
  apiIssuer = await OidcIssuer.start('https://api.example.com');
  // The issuer's pages ask for a font.
  const browserArguments = ['--host-resolver-rules=MAP fonts.googleapis.com ~NOTFOUND'];
  [world, keeping] = await Promise.all([
    DashboardWorld.start({ env: issuer.environment, browserArguments }),
    DashboardWorld.start({
      env: { ...apiIssuer.environment, GATEHOUSE_DASHBOARD_SESSION: 'tab' },
      browserArguments,
    }),
  ]);
  issuer.open(world.service.baseUrl);
  apiIssuer.open(keeping.service.baseUrl);
});

beforeEach(() => {
  issuer.grants.length = 0;
  issuer.idTokenSeconds = 3600;
  issuer.givesRefreshTokens = true;
});

afterAll(async () => {
  await keeping.stop();
  await world.stop();
  await apiIssuer.stop();
  await issuer.stop();
});

const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name });
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

/** What the sign-in left in the tab's storage. */
const keptBy = (page: Page): Promise<string[]> =>
  page.evaluate("Object.keys(sessionStorage).filter((name) => name.startsWith('gatehouse'))");

/** Signs in a user, who founds an org where they have none yet. */
async function enter(context: BrowserContext, user: string, at = '/'): Promise<Page> {
  const { page, trespasses } = await world.open(context, at);
  await signInAs(page, user);
  await page.getByLabel('Name of the organisation').fill(`Org of ${user}`);
  await button(page, 'Create organisation').click();
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  expect(trespasses.violations).toEqual([]);
  return page;
}

/** The clock of the page goes on from near the end of the token's life. */
async function nearlyExpire(page: Page): Promise<void> {
  await page.clock.setSystemTime(Date.now() + (issuer.idTokenSeconds - 20) * 1000);
  issuer.idTokenSeconds *= 2;
}

it.each(LOOKS)('a user signs in, founds an org and signs out at the issuer too: %s', async (name, look) => {
  const { page, trespasses } = await world.open(await world.context(look), '/keys');
  await page.getByRole('button', { name: /^Sign in with/ }).waitFor();
  const faults = await faultsOf(page);
  await signInAs(page, `ann-${look.theme}`);
  await page.getByText(`Signed in as ann-${look.theme}@example.com`).waitFor();
  // Back on the requested page, and no part of the answer is left.
  expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/dashboard/keys');
  faults.push(...(await faultsOf(page)));
  await page.getByLabel('Name of the organisation').fill(name);
  await button(page, 'Create organisation').click();
  await heading(page, 'API keys').waitFor();
  faults.push(...(await faultsOf(page)));
  const kept = await page.evaluate<string>(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])',
  );
  expect(kept).not.toMatch(/eyJ|verifier|state/);

  if (look.width < 600) await button(page, 'Menu').click();
  await page.getByRole('button', { name: 'Sign out' }).last().click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('button', { name: /^Sign in with/ }).click();
  await page.getByPlaceholder('Enter any login').waitFor();
  expect(faults).toEqual([]);
  expect(trespasses.violations).toEqual([]);
  const own = [world.service.baseUrl, issuer.issuer].map((address) => new URL(address).host);
  expect([...trespasses.hosts].filter((host) => !own.includes(host))).toEqual(['fonts.googleapis.com']);
  await page.context().close();
});

it('a refusal of the issuer’s is shown, and the next try leads to the requested page', async () => {
  const { page } = await world.open(await world.context(WIDE), '/humans');
  await page.getByRole('button', { name: /^Sign in with/ }).click();
  await page.getByText('Cancel').click();
  await page.getByRole('alert').getByText('The sign-in was not allowed (End-User aborted interaction).').waitFor();
  expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/dashboard/humans');
  expect(await faultsOf(page)).toEqual([]);
  expect(await keptBy(page)).toEqual([]);
  await page.context().close();
});

it.each([
  ['with another state', 'does not fit the sign-in that this tab began'],
  ['that no tab asked for', 'This window has no sign-in under way.'],
])('an answer %s is refused, and its code is not used', async (what, said) => {
  const { page } = await world.open(await world.context(WIDE));
  if (what === 'with another state') {
    await page.getByRole('button', { name: /^Sign in with/ }).click();
    await page.getByPlaceholder('Enter any login').waitFor();
  }
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(
    `${world.service.baseUrl}/dashboard/oidc?code=slipped&state=x&iss=${encodeURIComponent(issuer.issuer)}`,
  );
  await page.getByRole('alert').getByText(said).waitFor();
  expect(page.url()).not.toContain('slipped');
  expect(asked.filter((url) => url.startsWith(issuer.issuer))).toEqual([]);
  expect(issuer.grants).toEqual([]);
  await page.context().close();
});

it('a token is renewed before it ends, by the refresh token', async () => {
  const page = await enter(await world.context(WIDE), 'bob');
  expect(issuer.grants).toEqual(['authorization_code']);
  await nearlyExpire(page);
  await page.getByRole('link', { name: 'Humans' }).click();
  await page.getByText('No humans yet').waitFor();
  expect(issuer.grants).toEqual(['authorization_code', 'refresh_token']);
  await page.context().close();
});

it('without a refresh token the user signs in again beside the page, and what they typed is sent', async () => {
  issuer.givesRefreshTokens = false;
  const page = await enter(await world.context(WIDE), 'cleo', '/keys');
  await button(page, 'Create key').first().click();
  await page.getByLabel('Name', { exact: true }).fill('Typed before');
  await nearlyExpire(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  const ended = page.getByRole('alertdialog', { name: 'Your sign-in has ended' });
  await ended.waitFor();
  expect(await faultsOf(page)).toEqual([]);
  const opened = page.waitForEvent('popup');
  await ended.getByRole('button', { name: 'Sign in again' }).click();
  const popup = await opened;
  if (!popup.isClosed()) await popup.waitForEvent('close');
  await page.getByTestId('secret').waitFor();
  expect(await world.service.sql("SELECT name FROM api_keys WHERE created_by = 'cleo'")).toEqual([
    { name: 'Typed before' },
  ]);
  await page.context().close();
});

it('when another user signs in beside the page, nothing of the first one stays or is sent', async () => {
  const other = await world.context(WIDE);
  await enter(other, 'gus');
  await other.close();
  issuer.givesRefreshTokens = false;
  const context = await world.context(WIDE);
  const page = await enter(context, 'finn', '/keys');
  await button(page, 'Create key').first().click();
  await page.getByLabel('Name', { exact: true }).fill('By the first user');
  await nearlyExpire(page);
  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  await context.clearCookies();
  const opened = page.waitForEvent('popup');
  await button(page, 'Sign in again').click();
  await fillIn(await opened, 'gus');
  await page.getByText('gus@example.com').waitFor();
  await page.getByText('No keys yet').waitFor();
  expect(await page.getByRole('dialog').count()).toBe(0);
  expect(await world.service.sql("SELECT name FROM api_keys WHERE name = 'By the first user'")).toEqual([]);
  await context.close();
});

it('a page of a tenant that the user left on another machine changes nothing, and says so', async () => {
  const page = await enter(await world.context(WIDE), 'dora', '/keys');
  await button(page, 'Create key').first().click();
  await page.getByLabel('Name', { exact: true }).fill('Meant for the first tenant');

  const { page: elsewhere } = await world.open(await world.context(WIDE));
  await signInAs(elsewhere, 'dora');
  await elsewhere.getByRole('button', { name: /Switch tenant/ }).click();
  await elsewhere.getByRole('menuitem', { name: 'New tenant' }).click();
  await elsewhere.getByLabel('Name', { exact: true }).fill('Staging');
  await elsewhere.getByRole('dialog').getByRole('button', { name: 'New tenant' }).click();
  await elsewhere.getByText('You are in Staging now.').waitFor();

  await page.getByRole('dialog').getByRole('button', { name: 'Create key' }).click();
  const moved = page.getByRole('alertdialog', { name: 'You moved to another tenant' });
  await moved.waitFor();
  expect(await world.service.sql("SELECT name FROM api_keys WHERE created_by = 'dora'")).toEqual([]);
  await moved.getByRole('button', { name: 'Go back there' }).click();
  await moved.waitFor({ state: 'detached' });
  await page.getByText('No keys yet').waitFor();
  await elsewhere.context().close();
  await page.context().close();
});

it('an access token is sent where the API has an audience of its own, and the tab may keep it over a reload', async () => {
  const context = await keeping.context(WIDE);
  const { page } = await keeping.open(context);
  await signInAs(page, 'eve');
  await page.getByText('Signed in as eve@example.com').waitFor();
  await page.reload();
  await page.getByText('Signed in as eve@example.com').waitFor();
  const { page: second } = await keeping.open(context);
  await second.getByRole('button', { name: /^Sign in with/ }).click();
  await second.getByText('Signed in as eve@example.com').waitFor();
  expect(await keptBy(second)).toEqual(['gatehouse.oidc.tokens']);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Yes, sign me out' }).click();
  await page.getByRole('button', { name: /^Sign in with/ }).waitFor();
  await second.getByRole('button', { name: /^Sign in with/ }).waitFor();
  for (const tab of [page, second]) expect(await keptBy(tab)).toEqual([]);
  await context.close();
});

it('the page may ask the issuer alone, and is told its addresses', async () => {
  const { headers } = await world.service.call('GET', '/dashboard/', {});
  expect(headers['content-security-policy']).toContain(`connect-src 'self' ${issuer.issuer};`);
  const config = (await world.service.call('GET', '/dashboard/config.json', {})).json<object>();
  expect(config).toMatchObject({
    development: false,
    oidc: { issuer: issuer.issuer, clientId: CLIENT_ID, token: 'id' },
  });
});
