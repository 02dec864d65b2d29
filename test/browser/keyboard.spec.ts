/** Each page's main flow by the keyboard alone: what has the focus can be seen, and it comes back to where it was. */
import type { Locator, Page } from 'playwright-core';
import { DashboardWorld, WIDE } from './dashboard.js';
import { asOwner, fill, furnish, quickstartTenant } from './filled.js';
import { heading } from './page-visits.js';

/** More than any page has between two places. */
const MOST_TABS = 200;

let world: DashboardWorld;

beforeAll(async () => {
  world = await DashboardWorld.start({ env: { GATEHOUSE_DEV: '1', OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' } });
  const tenantId = await quickstartTenant(world.service);
  await fill(world.service, { tenantId, keys: 4, calls: 20, humans: 60 });
  await furnish(world.service, tenantId);
  const ask = await asOwner(world.service);
  await ask('tenants/create', { name: 'Staging' });
  const { baseUrl } = world.service.upstream;
  const local = { name: 'local', kind: 'openai_compatible', baseUrl, models: ['zebra'] };
  await ask('llm/providers/create', { ...local, credentials: { apiKey: 'sk-local' } });
  const facts = { contextTokens: 8000, maxOutputTokens: 4000 };
  await ask('llm/models/update', { model: 'zebra', ...facts, price: { input: '500', output: '1000' } });
});

afterAll(() => world.stop());

const button = (page: Page, name: string | RegExp): Locator =>
  page.getByRole('button', { name, exact: typeof name === 'string' });
const dialog = (page: Page): Locator => page.getByRole('dialog').or(page.getByRole('alertdialog')).last();
const hasFocus = async (of: Locator): Promise<boolean> => (await of.and(of.page().locator(':focus')).count()) > 0;

/** The element that has the focus, where nothing shows that. Between the last and the first element of a page none has it. */
const UNSEEN = `(() => {
  const at = document.activeElement;
  if (at === document.body && document.querySelector('[role=dialog], [role=alertdialog]') === null) return '';
  const shows = (one) => one !== null && parseFloat(getComputedStyle(one).outlineWidth) > 0 && getComputedStyle(one).outlineStyle !== 'none';
  return shows(at) || shows(at.closest('label')) ? '' : at.outerHTML.slice(0, 120);
})()`;

/** Presses Tab until the element has the focus. */
async function reach(page: Page, element: Locator): Promise<void> {
  // On a busy machine all of a page without its data is passed before they are there.
  await element.waitFor();
  for (let tabs = 0; tabs < MOST_TABS; tabs += 1) {
    if (await hasFocus(element)) return;
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>(UNSEEN)).toBe('');
  }
  throw new Error(`Tab does not reach ${element.toString()}`);
}

async function press(page: Page, element: Locator): Promise<void> {
  await reach(page, element);
  await page.keyboard.press('Enter');
}

/** Opens a row's menu and chooses an entry, as arrow keys do. */
async function chooseInMenu(page: Page, trigger: Locator, entry: string | RegExp): Promise<void> {
  await press(page, trigger);
  const wanted = page.getByRole('menuitem', { name: entry });
  await wanted.waitFor();
  for (let steps = 0; steps < 20 && !(await hasFocus(wanted)); steps += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
}

/** Ends a dialog that shows a secret. */
async function store(page: Page): Promise<void> {
  await page.getByTestId('secret').waitFor();
  await press(page, button(page, 'I have stored it'));
  await press(page, button(page, 'Close anyway'));
}

async function isGone(page: Page): Promise<void> {
  await page.getByRole('dialog').or(page.getByRole('alertdialog')).first().waitFor({ state: 'detached' });
}

/** The focus is back: it returns once the dialog has gone. */
async function focusIsAt(page: Page, element: Locator): Promise<void> {
  await isGone(page);
  await element.and(page.locator(':focus')).waitFor({ timeout: 5000 });
}

interface Flow {
  readonly what: string;
  readonly at: string;
  readonly name: string;
  readonly run: (page: Page) => Promise<void>;
  /** Where the focus is in the end. */
  readonly back: (page: Page) => Locator;
}

const FLOWS: readonly Flow[] = [
  {
    ...{ what: 'creates a key', at: '/keys', name: 'API keys', back: (page) => button(page, 'Create key') },
    run: async (page) => {
      await press(page, button(page, 'Create key'));
      await dialog(page).waitFor();
      await page.keyboard.type('Typed key');
      await page.keyboard.press('Enter');
      await store(page);
    },
  },
  {
    ...{ what: 'rotates a key', at: '/keys', name: 'API keys' },
    run: async (page) => {
      await chooseInMenu(page, button(page, 'Actions for Staging 1'), 'Rotate');
      await press(page, dialog(page).getByRole('button', { name: 'Rotate key' }));
      await store(page);
    },
    back: (page) => button(page, 'Actions for Staging 1'),
  },
  {
    ...{ what: 'revokes a key', at: '/keys', name: 'API keys' },
    run: async (page) => {
      await chooseInMenu(page, button(page, 'Actions for Production 4'), 'Revoke');
      await press(page, dialog(page).getByRole('button', { name: 'Revoke key' }));
      await page.getByRole('row', { name: /Production 4.*Revoked/ }).waitFor();
    },
    back: (page) => button(page, 'Actions for Production 4'),
  },
  {
    ...{ what: "creates a gateway's token", at: '/gateways', name: 'Gateways' },
    run: async (page) => {
      await press(page, page.getByRole('link', { name: 'front-door' }));
      await page.getByRole('link', { name: 'Authentication Token' }).waitFor();
      await press(page, page.getByRole('link', { name: 'Authentication Token' }));
      await press(page, button(page, 'Create authentication token'));
      await dialog(page).waitFor();
      await page.keyboard.type('Typed token');
      await page.keyboard.press('Enter');
      await store(page);
    },
    back: (page) => button(page, 'Create authentication token'),
  },
  {
    ...{ what: 'adds a provider', at: '/models', name: 'Providers and models' },
    run: async (page) => {
      await press(page, button(page, 'Add provider'));
      await dialog(page).waitFor();
      await page.keyboard.type('typed');
      await reach(page, dialog(page).getByLabel('API key'));
      await page.keyboard.type('sk-typed');
      await page.keyboard.press('Enter');
      await page.getByRole('row', { name: /typed/ }).waitFor();
    },
    back: (page) => button(page, 'Add provider'),
  },
  {
    ...{ what: 'invites a member', at: '/members', name: 'Members', back: (page) => button(page, 'Invite') },
    run: async (page) => {
      await press(page, button(page, 'Invite'));
      await dialog(page).waitFor();
      await page.keyboard.type('typed@example.com');
      await reach(page, dialog(page).getByLabel('Role'));
      await page.keyboard.type('V');
      await press(page, dialog(page).getByRole('button', { name: 'Invite' }));
      await store(page);
      await page.getByRole('row', { name: /typed@example\.com.*Viewer/ }).waitFor();
    },
  },
  {
    ...{ what: 'sets a budget', at: '/settings', name: 'Settings', back: (page) => button(page, 'Set budget') },
    run: async (page) => {
      await press(page, button(page, 'Set budget'));
      await dialog(page).waitFor();
      await reach(page, dialog(page).getByLabel('In each'));
      await page.keyboard.type('W');
      await reach(page, dialog(page).getByLabel('Limit in dollars'));
      await page.keyboard.type('7');
      await page.keyboard.press('Enter');
      await page.getByText(/of \$7\.00 used/).waitFor();
    },
  },
  {
    ...{
      what: 'opens a call',
      at: '/calls',
      name: 'Calls',
      back: (page) => page.getByRole('table').getByRole('button').first(),
    },
    run: async (page) => {
      await press(page, page.getByRole('table').getByRole('button').first());
      await dialog(page).getByText('Request id').first().waitFor();
      await page.keyboard.press('Escape');
    },
  },
  {
    ...{ what: 'sends a message', at: '/playground', name: 'Playground', back: (page) => page.getByLabel('Message') },
    run: async (page) => {
      await reach(page, page.getByLabel('Model'));
      await page.keyboard.type('zebra');
      await page.keyboard.press('Shift+Tab');
      await reach(page, page.getByLabel('Message'));
      await page.keyboard.type('Hello there');
      await page.keyboard.press('Enter');
      await page.getByRole('listitem').getByText('Hello there').waitFor();
      await page.getByText(/9 tokens in, 12 out, .* · \$0\.0165/).waitFor();
    },
  },
  {
    ...{ what: 'goes to a page by the palette', at: '/humans', name: 'Humans', back: (page) => page.getByRole('main') },
    run: async (page) => {
      await page.keyboard.press('Control+K');
      await page.getByRole('combobox').waitFor();
      await page.keyboard.type('webhook');
      await page.keyboard.press('Enter');
      await heading(page, 'Webhooks').waitFor();
    },
  },
  {
    ...{ what: 'closes the palette', at: '/humans', name: 'Humans', back: (page) => button(page, 'Add human') },
    run: async (page) => {
      await reach(page, button(page, 'Add human'));
      await page.keyboard.press('Control+K');
      await page.getByRole('combobox').waitFor();
      await page.keyboard.press('Escape');
    },
  },
  {
    ...{ what: 'switches the tenant', at: '/keys', name: 'API keys', back: (page) => page.getByRole('main') },
    run: async (page) => {
      await chooseInMenu(page, button(page, /Switch tenant/), 'Staging');
      await page.getByText('No keys yet').waitFor();
      expect(await page.getByRole('alertdialog').count()).toBe(0);
    },
  },
];

it.each(FLOWS)('a user $what with the keyboard alone', async ({ at, name, run, back }) => {
  const { page } = await world.enter(WIDE, at);
  await heading(page, name).waitFor();
  await run(page);
  await focusIsAt(page, back(page));
  await page.context().close();
});
