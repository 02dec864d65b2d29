/** Each role sees the pages, buttons and menu entries that `x-access` of docs/openapi.json opens to it, and no others. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { DashboardWorld, WIDE } from './dashboard.js';
import { fill, furnish, join, meOf, quickstartTenant, type Me } from './filled.js';
import { visit } from './page-visits.js';

type Rule = true | { readonly roles: readonly string[] } | { readonly scope: string };
interface Document {
  readonly paths: Record<string, Record<string, { readonly 'x-access'?: { readonly dashboardUser?: Rule } }>>;
}

const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as Document;

/** Such as `POST /api/v1/orgs/get`; of a POST below /api/v1 the rest is enough. */
function isOpenTo({ role, scopes }: Me, route: string): boolean {
  const [method = '', path = ''] = route.includes(' ') ? route.split(' ') : ['POST', `/api/v1/${route}`];
  const rule = paths[path]?.[method.toLowerCase()]?.['x-access']?.dashboardUser;
  if (rule === undefined) throw new Error(`${route} has no rule.`);
  if (rule === true) return true;
  return 'roles' in rule ? rule.roles.includes(role) : scopes.includes(rule.scope);
}

const TOKENS = '/api/v1/gateways/{gatewayId}/tokens';
const LINKS = [
  ['Audit log', 'audit/list'],
  ['Members', 'orgs/list-members'],
  ['Playground', 'POST /v1/chat/completions'],
  ['Usage tokens', 'usage/list-tokens'],
  ['Webhooks', 'webhooks/list'],
] as const;

interface Place {
  readonly at: string;
  readonly name: string;
  /** Each button, and the route that it leads to. */
  readonly buttons: readonly (readonly [string, string])[];
  /** Each menu of a row, with its entries. Where no entry is allowed there is no menu. */
  readonly menus?: Readonly<Record<string, readonly (readonly [string, string])[]>>;
}

const HOOK = 'https://hooks.example.com/gatehouse';
const PLACES: readonly Place[] = [
  {
    ...{ at: '/keys', name: 'API keys', buttons: [['Create key', 'api-keys/create']] },
    menus: {
      'Staging 1': [
        ['Edit', 'api-keys/update'],
        ['Rotate', 'api-keys/rotate'],
        ['Revoke', 'api-keys/revoke'],
      ],
    },
  },
  {
    ...{ at: '/humans', name: 'Humans', buttons: [['Add human', 'humans/upsert']] },
    menus: {
      'ann.5@example.com': [
        ['Set limits', 'humans/upsert'],
        ['Erase', 'humans/delete'],
      ],
    },
  },
  {
    ...{ at: '/models', name: 'Providers and models' },
    buttons: [
      ['Add provider', 'llm/providers/create'],
      ['Add route', 'llm/routes/create'],
      ['Test', 'llm/providers/test'],
      ['Set price', 'llm/models/update'],
    ],
    menus: {
      claude: [
        ['Edit', 'llm/providers/update'],
        ['Delete', 'llm/providers/delete'],
      ],
      fast: [
        ['Edit', 'llm/routes/update'],
        ['Delete', 'llm/routes/delete'],
      ],
    },
  },
  {
    ...{ at: '/webhooks', name: 'Webhooks', buttons: [['Add endpoint', 'webhooks/create']] },
    menus: {
      [HOOK]: [
        ['Send a test', 'webhooks/test'],
        ['Edit', 'webhooks/update'],
        ['Rotate secret', 'webhooks/rotate-secret'],
        ['Disable', 'webhooks/update'],
        ['Delete', 'webhooks/delete'],
      ],
    },
  },
  { at: '/gateways', name: 'Gateways', buttons: [['Create gateway', 'gateways/create']] },
  {
    ...{ at: '/gateways/ID/tokens', name: 'front-door' },
    buttons: [
      ['Create authentication token', `POST ${TOKENS}`],
      ['Delete Mobile app', `DELETE ${TOKENS}/{tokenId}`],
    ],
  },
  {
    ...{ at: '/gateways/ID/providers', name: 'front-door', buttons: [['Add provider', 'gateways/update']] },
    menus: {
      openai: [
        ['Edit', 'gateways/update'],
        ['Remove', 'gateways/update'],
      ],
    },
  },
  {
    ...{ at: '/gateways/ID/settings', name: 'front-door' },
    buttons: [
      ['Save', 'gateways/update'],
      ['Set budget', 'budgets/set'],
      ['Delete gateway', 'gateways/delete'],
    ],
  },
  { at: '/tokens', name: 'Usage tokens', buttons: [['Revoke', 'usage/revoke-token']] },
  {
    ...{ at: '/members', name: 'Members' },
    buttons: [
      ['Invite', 'orgs/invite-member'],
      ['Remove', 'orgs/remove-member'],
      ['Revoke', 'orgs/revoke-invitation'],
    ],
  },
  {
    ...{ at: '/settings', name: 'Settings' },
    buttons: [
      ['New tenant', 'tenants/create'],
      ['Rename', 'tenants/update'],
      ['Set budget', 'budgets/set'],
      ['Remove', 'budgets/delete'],
      ['Delete this tenant', 'tenants/delete'],
      ['Delete the organisation', 'orgs/delete'],
    ],
  },
];

let world: DashboardWorld;
let gatewayId: string;

beforeAll(async () => {
  world = await DashboardWorld.start();
  const tenantId = await quickstartTenant(world.service);
  await fill(world.service, { tenantId, keys: 4, calls: 20, humans: 60 });
  gatewayId = await furnish(world.service, tenantId);
  for (const role of ['admin', 'developer', 'viewer']) await join(world.service, `dev-${role}`, role);
});

afterAll(() => world.stop());

/** The entries of a row's menu; none where the row has no menu. */
async function entriesOf(page: Page, thing: string): Promise<string[]> {
  const trigger = page.getByRole('button', { name: `Actions for ${thing}`, exact: true });
  if ((await trigger.count()) === 0) return [];
  await trigger.click();
  const entries = page.getByRole('menuitem');
  await entries.first().waitFor();
  const found = await entries.allInnerTexts();
  await page.keyboard.press('Escape');
  await entries.first().waitFor({ state: 'detached' });
  return found;
}

it.each(['owner', 'admin', 'developer', 'viewer'])(
  'a role sees what the API lets it do, and nothing more: %s',
  async (role) => {
    const user = `dev-${role}`;
    const me = await meOf(world.service, user);
    expect(me.role).toBe(role);
    const { page } = await world.enter(WIDE, '/start', user);
    const rail = page.getByRole('navigation', { name: 'Main' });
    await rail.waitFor();
    const [seen, allowed]: [string[], string[]] = [[], []];
    for (const [name, route] of LINKS) {
      if ((await rail.getByRole('link', { name, exact: true }).count()) > 0) seen.push(name);
      if (isOpenTo(me, route)) allowed.push(name);
    }
    for (const { at, name, buttons, menus = {} } of PLACES) {
      await visit(page, at.replace('ID', gatewayId), name);
      for (const [label, route] of buttons) {
        const shown = await page.getByRole('button', { name: new RegExp(`^${label}`) }).count();
        if (shown > 0) seen.push(`${at}: ${label}`);
        if (isOpenTo(me, route)) allowed.push(`${at}: ${label}`);
      }
      for (const [thing, entries] of Object.entries(menus)) {
        const shown = await entriesOf(page, thing);
        for (const [label, route] of entries) {
          if (shown.includes(label)) seen.push(`${at}: ${thing}: ${label}`);
          if (isOpenTo(me, route)) allowed.push(`${at}: ${thing}: ${label}`);
        }
      }
    }
    expect(seen).toEqual(allowed);
    await page.context().close();
  },
);
