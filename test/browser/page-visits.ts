/** Every page of the dashboard, and what must hold on each. */
import type { Page } from 'playwright-core';
import { faultsOf, goTo, NARROW, WIDE } from './dashboard.js';

/** Address, heading, and the name of its picture in docs/screenshots. */
export const PAGES = [
  ['/', 'Overview', 'overview'],
  ['/start', 'Getting started', 'getting-started'],
  ['/usage', 'Usage', 'usage'],
  ['/calls', 'Calls', 'calls'],
  ['/threads', 'Threads', 'threads'],
  ['/keys', 'API keys', 'api-keys'],
  ['/gateways', 'Gateways', 'gateways'],
  ['/humans', 'Humans', 'humans'],
  ['/tokens', 'Usage tokens', 'usage-tokens'],
  ['/playground', 'Playground', 'playground'],
  ['/models', 'Providers and models', 'providers-and-models'],
  ['/webhooks', 'Webhooks', 'webhooks'],
  ['/members', 'Members', 'members'],
  ['/audit', 'Audit log', 'audit-log'],
  ['/settings', 'Settings', 'settings'],
] as const;

export const LOOKS = [
  ['light and wide', WIDE],
  ['dark and narrow', NARROW],
] as const;

/** Stands where something is still loading. */
const SKELETON = '[aria-hidden][class*="animate-pulse"]';

export const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });

/** Goes to a page. @returns where it is not accessible, or wider than the screen */
export async function faultsAt(page: Page, at: string, name: string): Promise<string[]> {
  await goTo(page, at);
  await heading(page, name).waitFor();
  await page.waitForLoadState('networkidle');
  await page.locator(SKELETON).first().waitFor({ state: 'detached' });
  const faults = await faultsOf(page);
  const overflows = await page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
  return [...faults, ...(overflows ? ['is wider than the screen'] : [])].map((fault) => `${at}: ${fault}`);
}
