/** Every page of the dashboard, and what must hold on each. */
import type { Page } from 'playwright-core';
import { faultsOf, goTo, loaded, NARROW, WIDE } from './dashboard.js';

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

export const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true });

/** Goes to a page, and waits until it has loaded. */
export async function visit(page: Page, at: string, name: string): Promise<void> {
  await goTo(page, at);
  await heading(page, name).waitFor();
  // The parts of a gateway have one heading.
  if (at.startsWith('/gateways/')) await page.locator(`[aria-current="page"][href$="${at}"]`).waitFor();
  await loaded(page);
}

/** Goes to a page. @returns where it is not accessible, or does not fit the screen */
export async function faultsAt(page: Page, at: string, name: string): Promise<string[]> {
  await visit(page, at, name);
  const faults = await faultsOf(page);
  const overflows = await page.evaluate<boolean>('document.documentElement.scrollWidth > innerWidth');
  const hides = await page.evaluate<boolean>(
    `[...document.querySelectorAll('main [aria-current]')].some((link) => link.getBoundingClientRect().right > innerWidth)`,
  );
  if (overflows) faults.push('is wider than the screen');
  if (hides) faults.push('has the link to itself beyond the edge');
  return faults.map((fault) => `${at}: ${fault}`);
}
