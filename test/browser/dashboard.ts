/** The dashboard in a real browser, against a started service: the parts that every spec of it needs. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page, type Request } from 'playwright-core';
import type { GoogleEndpoints } from '../support/google-endpoints.js';
import { startServiceProcess, type ServiceProcess } from '../support/service.js';
import type { TestIssuer } from '../support/tokens.js';

/** Debian's Chromium, which .ci/run installs. */
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const AXE = readFileSync(createRequire(path.resolve('package.json')).resolve('axe-core/axe.min.js'), 'utf8');

export interface Look {
  readonly theme: 'light' | 'dark';
  readonly width: number;
}

export const WIDE: Look = { theme: 'light', width: 1280 };
export const NARROW: Look = { theme: 'dark', width: 390 };

/** Violations of a page: requests to other hosts, broken policies and the like. */
export interface Trespasses {
  readonly violations: string[];
  readonly hosts: Set<string>;
}

/** Absent: a service in development, where one click signs in. */
export interface WorldOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly issuer?: TestIssuer;
  readonly google?: GoogleEndpoints;
  readonly browserArguments?: readonly string[];
}

/** The requests of each page that have no answer yet. */
const underway = new WeakMap<Page, Set<Request>>();

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

let isBuilt = false;

/** Once for each spec: it can start several services. */
function build(): void {
  if (isBuilt) return;
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-dashboard.mjs'], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) throw new Error(stderr);
  isBuilt = true;
}

export class DashboardWorld {
  private constructor(
    readonly service: ServiceProcess,
    readonly browser: Browser,
  ) {}

  static async start({ browserArguments = [], ...options }: WorldOptions = {}): Promise<DashboardWorld> {
    build();
    const env = options.env ?? { GATEHOUSE_DEV: '1' };
    const [service, browser] = await Promise.all([
      startServiceProcess({ ...options, env }),
      chromium.launch({
        ...(CHROMIUM && { executablePath: CHROMIUM }),
        args: ['--no-sandbox', ...browserArguments],
      }),
    ]);
    return new DashboardWorld(service, browser);
  }

  async stop(): Promise<void> {
    await this.browser.close();
    await this.service.stop();
  }

  async context({ theme, width }: Look): Promise<BrowserContext> {
    const height = width < 600 ? 844 : 860;
    return this.browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      locale: 'en-GB',
      ignoreHTTPSErrors: true,
    });
  }

  /** Opens a path of the dashboard in a new tab, before the sign-in. */
  async open(context: BrowserContext, at = '/'): Promise<{ page: Page; trespasses: Trespasses }> {
    const page = await context.newPage();
    const trespasses: Trespasses = { violations: [], hosts: new Set() };
    page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML|TrustedScript/.test(message.text())) {
        trespasses.violations.push(message.text());
      }
    });
    page.on('pageerror', (error) => trespasses.violations.push(error.message));
    const requests = new Set<Request>();
    underway.set(page, requests);
    page.on('request', (request) => {
      trespasses.hosts.add(new URL(request.url()).host);
      requests.add(request);
    });
    page.on('requestfinished', (request) => requests.delete(request));
    page.on('requestfailed', (request) => requests.delete(request));
    await page.goto(`${this.service.baseUrl}/dashboard${at}`);
    return { page, trespasses };
  }

  /** Opens a path, signed in as a development user. */
  async enter(look: Look, at = '/', user = 'dev-owner'): Promise<{ page: Page; trespasses: Trespasses }> {
    const opened = await this.open(await this.context(look), at);
    await signIn(opened.page, user);
    return opened;
  }
}

export async function signIn(page: Page, user: string): Promise<void> {
  if (user === 'dev-owner') await page.getByRole('button', { name: 'Sign in as dev-owner' }).click();
  else {
    await page.getByText('Another development user').click();
    await page.getByLabel('User').fill(user);
    await page.getByRole('button', { name: 'Sign in as this user' }).click();
  }
}

/** Goes to another page by the history, without a reload: a reload would sign the user out. */
export async function goTo(page: Page, at: string): Promise<void> {
  const to = JSON.stringify(`/dashboard${at}`);
  await page.evaluate(`history.pushState(null, '', ${to}); dispatchEvent(new PopStateEvent('popstate'))`);
}

/** Stands where something is still loading. */
const SKELETON = '[aria-hidden][class*="animate-pulse"]';
/** How many frames a page shows without a request before it counts as loaded: what it shows can lead to further requests. */
const QUIET_FRAMES = 6;
const FRAME = 'new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)))';

/** Waits until a page has loaded: no request is underway, and nothing stands for what is to come. */
export async function loaded(page: Page): Promise<void> {
  for (let quiet = 0; quiet < QUIET_FRAMES; quiet += 1) {
    await page.evaluate(FRAME);
    const isBusy = (underway.get(page)?.size ?? 0) > 0 || (await page.locator(SKELETON).count()) > 0;
    if (isBusy) quiet = -1;
  }
}

/** The violations that axe finds on a screen. */
export async function faultsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  // Elements that fade in do not have their colours yet; a skeleton pulses for ever.
  await page.evaluate(`Promise.allSettled(document.getAnimations()
    .filter(({ effect }) => effect.getComputedTiming().iterations !== Infinity).map(({ finished }) => finished))`);
  // The focus guards of an open dialog are empty, and hidden on purpose.
  const { violations } = await page.evaluate<{ violations: Violation[] }>(
    `axe.run({ exclude: ['[data-base-ui-focus-guard]'] }, { resultTypes: ['violations'], rules: { region: { enabled: false } } })`,
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}
