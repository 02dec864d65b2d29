/**
 * The README and the guides by task, followed as a newcomer follows them: one development service, and every program of a page
 * in order and unchanged.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { eventually } from '../../support/eventually.js';
import { PYTHON, type Guide } from '../../support/guide.js';
import type { ServiceProcess } from '../../support/service.js';
import { completion, FIRST_CALLS, Newcomer, parsed, type Followed } from './newcomer.js';

/** Debian's Chromium, which .ci/run installs. */
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
// .ci/run installs both, and fails where a test is skipped; on a machine without them these say that they were.
/* eslint-disable no-restricted-syntax -- Python and Chromium may be missing; .ci/run fails on a skip */
const withPython = PYTHON === undefined ? it.skip : it;
const withBrowser = CHROMIUM === undefined ? it.skip : it;
const withBoth = PYTHON === undefined ? it.skip : withBrowser;
/* eslint-enable no-restricted-syntax */

let newcomer: Newcomer;
let service: ServiceProcess;

beforeAll(async () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-guide.mjs'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
  newcomer = await Newcomer.start();
  service = newcomer.service;
});

afterAll(() => newcomer.stop());

const openGuide = (page: string): Promise<Guide> => newcomer.open(page);
const follow = (page: string): Promise<Followed> => newcomer.follow(page);

withPython('first calls: curl, TypeScript and Python are answered, and what it cost is told', async () => {
  const said = await follow(FIRST_CALLS);
  expect(parsed(said('Call with curl'))).toMatchObject(completion('You said: Hello!'));
  expect(said('Call with TypeScript')).toBe('You said: Hello from TypeScript!');
  expect(said('Call with Python')).toBe('You said: Hello from Python!');
  expect(parsed(said('See which models there are'))).toMatchObject({ data: [{ id: 'dummy' }] });
  expect(parsed(said('See what it cost'))).toMatchObject({ rows: [{ model: 'dummy' }] });
  expect(parsed(said('A dashboard user'))).toMatchObject({ org: { name: 'Ada & Co' } });
});

it('keys: created, listed, rotated and revoked; and the table has every scope', async () => {
  const said = await follow('docs/guides/keys.md');
  expect(said('Make a key')).toMatch(/^Key +sk_gh_/);
  expect(said('Make a key', 1)).toMatch(/^key_/);
  expect(said('List keys').split('\n').length).toBeGreaterThanOrEqual(4);
  expect(said('Rotate a key')).toMatch(/^New key +sk_gh_/);
  expect(said('End a key')).toContain('(worker) is revoked');
});

it('humans and limits: the third call is refused, and erasing leaves no name', async () => {
  const said = await follow('docs/guides/humans-and-limits.md');
  expect(said('See it stop at the limit').match(/^\d{3}$/gm)).toEqual(['200', '200', '429']);
  expect(parsed(said('Look at a human'))).toMatchObject({ human: { limits: [{ type: 'token_cnt', value: 50_000 }] } });
  expect(parsed(said('Erasing a human'))).toEqual({});
});

it('budgets: usage shows, and a deleted one is gone', async () => {
  const said = await follow('docs/guides/budgets.md');
  expect(parsed(said('Set one'))).toMatchObject({ budget: { period: 'MONTH', timeZone: 'Europe/Berlin' } });
  const { budgets } = parsed(said('Look at them')) as { budgets: { limit: string; used: string; held: string }[] };
  // The call may not be settled yet.
  expect(budgets.map(({ limit, used, held }) => [limit, Number(used) + Number(held)])).toEqual([['10', 1]]);
});

it('publishable keys on a laptop: a user of the app calls, with a token of the development issuer', async () => {
  const guide = await openGuide('docs/guides/end-users.md');
  const said = await guide.walk();
  expect(parsed(said.get('Call as that user')![0]!)).toMatchObject(completion('You said: Hello!'));
  expect(said.get('Call from the app')).toEqual(['You said: Hello from the app!']);
  await eventually(async () => {
    const left = await guide.json('See what is left');
    expect(left).toMatchObject({ human: { limits: [{ type: 'request_cnt', value: 18 }] } });
  });
});

it("impersonation: a human's threads belong to that human only, and the log names both", async () => {
  const said = await follow('docs/guides/impersonation.md');
  expect(parsed(said("See only that human's threads"))).toMatchObject({ threads: [{ name: 'Holiday plans' }] });
  expect(parsed(said("See only that human's threads", 1))).toMatchObject({ threads: [] });
  const { events } = parsed(said('Find it in the audit log')) as { events: { subject: { human: string } }[] };
  expect(events.length).toBeGreaterThanOrEqual(2);
  for (const { subject } of events) expect(subject.human).toBe('dora');
  expect(parsed(said('Only charge a human'))).toMatchObject(completion('You said: Hello!'));
});

it('orgs and invitations: a colleague joins, changes role and leaves', async () => {
  const said = await follow('docs/guides/organisation.md');
  expect(parsed(said('Accept the invitation'))).toMatchObject({ membership: { role: 'developer' } });
  const { members } = parsed(said('See who is a member')) as { members: { userId: string }[] };
  expect(members.map(({ userId }) => userId).sort()).toEqual(['bea', 'dev-owner']);
  expect(parsed(said('Change a role'))).toMatchObject({ member: { role: 'viewer' } });
  expect(said('Make a second tenant')).toContain('Staging');
  expect(parsed(said('Remove a member'))).toEqual({});
});

withPython('usage and CSV: sums by human, in JSON, in Python and as a file', async () => {
  const guide = await openGuide('docs/guides/usage.md');
  await guide.run('Make some usage');
  await eventually(async () => {
    const { rows } = await guide.json<{ rows: { human?: string; requestCnt: string }[] }>('Ask who used what');
    expect(rows.map(({ human }) => human)).toEqual(expect.arrayContaining(['eve', 'finn']));
  });
  expect(await guide.run('Ask for one human in Python')).toMatch(/^dummy \d+ \d+$/m);
  const [head, ...lines] = (await guide.run('Take it as a CSV file')).split(/\r?\n/);
  expect(head).toContain('human');
  expect(lines.some((line) => line.includes('finn'))).toBe(true);
});

it('audit: events are found, also by filter', async () => {
  const said = await follow('docs/guides/audit.md');
  const { events } = parsed(said('Read the log')) as { events: { action: string }[] };
  expect(events[0]?.action).toBe('key.created');
  expect(parsed(said('Filter it'))['events']).not.toEqual([]);
});

it('webhooks on a laptop: the receiver of the page gets the event of a call', async () => {
  const guide = await openGuide('docs/guides/webhooks.md');
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  guide.environment = { ...guide.environment, PORT: String(port) };
  const [receiver] = guide.programs('Verify the signature', 'js');
  const [make] = guide.programs('Make an endpoint here', 'sh');
  const secret = await guide.runProgram({ language: 'sh', code: `${make!.code}echo "$WEBHOOK_SECRET"` }, 'make');
  expect(secret).toMatch(/^whsec_/);
  const { output } = await guide.start(receiver!, { WEBHOOK_SECRET: secret });
  await guide.run('Make something happen');
  await eventually(() => /^usage\.tracked [0-9a-f-]+$/m.test(output()), 60_000);
});

it('the command line: the service is healthy, and its keys are listed', async () => {
  const said = await follow('docs/guides/command-line.md');
  expect(said('Look whether all is well')).toContain('Nothing is wrong');
  expect(parsed(said('Ask a running service'))['apiKeys']).not.toEqual([]);
});

/** Loads a page in a real browser. OpenAI's package comes from node_modules where the page loads it from a CDN. */
async function textInBrowser(page: string): Promise<string> {
  const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });
  try {
    const tab = await browser.newPage();
    await tab.route('https://esm.sh/**', async (route) => {
      const { pathname } = new URL(route.request().url());
      const file = pathname.replace(/^\/openai@[\d.]+/, '/index.mjs').replace(/^\/index\.mjs\//, '/');
      const body = await readFile(path.join('node_modules/openai', path.posix.normalize(file)), 'utf8');
      await route.fulfill({ contentType: 'text/javascript', headers: { 'access-control-allow-origin': '*' }, body });
    });
    await tab.goto(pathToFileURL(page).href);
    const log = tab.locator('#log');
    await eventually(async () => /^\d{3} /m.test(await log.innerText()), 60_000);
    return (await log.innerText()).trim();
  } finally {
    await browser.close();
  }
}

const STOPPED = 'You said: Call number 1\nYou said: Call number 2\nYou said: Call number 3\n429 usage_limit_exceeded';

withBrowser('the 60-second demo: the browser of a human is answered three times, and then stopped', async () => {
  await follow('README.md');
  expect(await textInBrowser(path.join(service.process.folder, 'demo.html'))).toBe(STOPPED);
});

withBoth('usage tokens in a browser: the page does what the guide says', async () => {
  const guide = await openGuide('docs/guides/browser.md');
  const said = await guide.walk(['Make a token on your server', 'Write the page']);
  expect(said.get('Make a token on your server')?.[1]).toMatch(/^eyJ/);
  expect(await textInBrowser(path.join(service.process.folder, 'demo.html'))).toBe(STOPPED);
  expect(
    parsed((await guide.walk(['Make a token on your server', 'See what is left'])).get('See what is left')![0]!),
  ).toEqual([{ type: 'request_cnt', value: 3 }]);
});

describe('the site at /docs/guide', () => {
  const get = (place: string) => service.call('GET', `/docs/guide${place}`);

  it('serves every page with all its resources, and redirects to the slash that its links need', async () => {
    expect(await get('')).toMatchObject({ status: 302, headers: { location: '/docs/guide/' } });
    const places = new Set(['']);
    // Iterating over a set also visits items that are added meanwhile.
    for (const place of places) {
      const page = await get(`/${place}`);
      expect([place, page.status]).toEqual([place, 200]);
      if (!/^text\/html/.test(page.headers['content-type'] ?? '')) continue;
      for (const [, link = ''] of page.text.matchAll(/<(?:script|link|a|img)\b[^>]*?\b(?:src|href)="([^"#]+)/g)) {
        const { origin, pathname } = new URL(link, `${service.baseUrl}/docs/guide/${place}`);
        if (origin === service.baseUrl) places.add(pathname.replace('/docs/guide/', ''));
      }
    }
    expect(places).toContain('guides/keys.html');
    expect(places).toContain('screenshots/overview.png');
    expect(places).toContain('decisions/0007-outbound-addresses.html');
    for (const missing of ['/nowhere.html', '/..%2fpackage.json', '/.hash', '/assets']) {
      expect([missing, (await get(missing)).status]).toEqual([missing, 404]);
    }
  });

  withBrowser('finds a page by what it says', async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });
    try {
      const tab = await browser.newPage();
      await tab.goto(`${service.baseUrl}/docs/guide/guides/first-steps.html`);
      await tab.fill('#search', 'rotate a key');
      await eventually(async () => (await tab.locator('#found a').count()) > 0, 60_000);
      await tab.locator('#found a').first().click();
      await tab.waitForURL(/keys\.html#rotate-a-key$/);
    } finally {
      await browser.close();
    }
  });
});
