/** People sign in by Firebase's SDK: a real browser, a production service, and a stand-in of Google's addresses on loopback. */
import { GoogleEndpoints } from '../support/google-endpoints.js';
import { TestIssuer } from '../support/tokens.js';
import { DashboardWorld, faultsOf, WIDE } from './dashboard.js';
import { GoogleSignIn } from './google-sign-in.js';

const FIREBASE = { FIREBASE_API_KEY: 'AIzaSyTests0123456789', GATEHOUSE_GOOGLE_CLIENT_ID: 'tests.apps.example.com' };
const HOSTS = ['identitytoolkit.googleapis.com', 'securetoken.googleapis.com'];
const PASSWORD = 'correct horse';

let issuer: TestIssuer;
let google: GoogleEndpoints;
let signIn: GoogleSignIn;
/** With Google's page in the same window, the tab keeps the sign-in; with a popup, nothing keeps it. */
let redirecting: DashboardWorld;
let beside: DashboardWorld;

beforeAll(async () => {
  issuer = await TestIssuer.start();
  google = await GoogleEndpoints.start();
  signIn = await GoogleSignIn.start(issuer, google, 'gina@example.com');
  signIn.addAccount('fb-ann', 'ann@example.com', PASSWORD);
  const options = { issuer, google, browserArguments: signIn.chromiumArguments };
  [redirecting, beside] = await Promise.all([
    DashboardWorld.start({ ...options, env: { ...FIREBASE, GATEHOUSE_DASHBOARD_SESSION: 'tab' } }),
    DashboardWorld.start({ ...options, env: { ...FIREBASE, GATEHOUSE_GOOGLE_SIGN_IN: 'popup' } }),
  ]);
});

afterAll(async () => {
  await beside.stop();
  await redirecting.stop();
  await signIn.stop();
  await google.stop();
  await issuer.stop();
});

it('by e-mail and password: a wrong password is refused in words; the right one leads to a first organisation', async () => {
  const { page, trespasses } = await beside.open(await beside.context(WIDE));
  await page.getByLabel('E-mail').fill('ann@example.com');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('The e-mail address or the password is wrong.').waitFor();
  expect(await faultsOf(page)).toEqual([]);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByLabel('Name of the organisation').fill('Acme');
  expect(await faultsOf(page)).toEqual([]);
  await page.getByRole('button', { name: 'Create organisation' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  expect(google.claims.get('fb-ann')).toMatchObject({ role: 'owner' });
  expect(trespasses.violations).toEqual([]);
  expect([...trespasses.hosts].filter((host) => !host.startsWith('127.0.0.1')).sort()).toEqual(HOSTS);

  // Only memory holds the sign-in: a reload ends it, and leaves nothing behind.
  const kept = await page.evaluate<string>(
    'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])',
  );
  expect(kept).not.toMatch(/eyJ|refresh/i);
  await page.reload();
  await page.getByLabel('E-mail').waitFor();
  await page.context().close();
});

it('a new account gets a mail to confirm it, and a forgotten password is reset by mail', async () => {
  const { page } = await beside.open(await beside.context(WIDE));
  await page.getByText('Create an account').click();
  await page.getByLabel('E-mail').fill('new@example.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByText('Signed in as new@example.com').waitFor();
  expect(signIn.mails.some((mail) => mail.startsWith('VERIFY_EMAIL'))).toBe(true);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('E-mail').fill('new@example.com');
  await page.getByText('Forgot your password?').click();
  await page.getByText('A link to set a new password is on its way.').waitFor();
  expect(signIn.mails).toContain('PASSWORD_RESET new@example.com');
  await page.context().close();
});

it('by Google in the same window, back to the requested page; the tab keeps the sign-in over a reload', async () => {
  const { page, trespasses } = await redirecting.open(await redirecting.context(WIDE), '/keys');
  await page.getByRole('button', { name: 'Continue with Google' }).click();
  await page.getByText('Signed in as gina@example.com').waitFor();
  expect(new URL(page.url()).pathname).toBe('/dashboard/keys');
  expect(page.url()).not.toContain('id_token');
  await page.reload();
  await page.getByText('Signed in as gina@example.com').waitFor();
  expect(trespasses.violations).toEqual([]);
  await page.context().close();
});

it('by Google in a popup, which closes itself', async () => {
  const { page, trespasses } = await beside.open(await beside.context(WIDE));
  const opened = page.waitForEvent('popup');
  await page.getByRole('button', { name: 'Continue with Google' }).click();
  const popup = await opened;
  if (!popup.isClosed()) await popup.waitForEvent('close');
  await page.getByText('Signed in as gina@example.com').waitFor();
  expect(trespasses.violations).toEqual([]);
  await page.context().close();
});

it('an answer of Google’s that this page did not ask for is refused', async () => {
  const context = await redirecting.context(WIDE);
  const page = await context.newPage();
  const slipped = new URLSearchParams({ id_token: issuer.sign({ sub: 'mallory', nonce: 'x' }), state: 'x' });
  await page.goto(`${redirecting.service.baseUrl}/dashboard/google#${slipped.toString()}`);
  await page
    .getByLabel('E-mail')
    .waitFor()
    .catch(() => undefined);
  expect(await page.getByText('Signed in as').count()).toBe(0);
  expect(page.url()).not.toContain('id_token');
  await context.close();
});
