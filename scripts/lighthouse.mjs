// Lighthouse's scores of the dashboard, on a desktop and on a throttled phone: of the sign-in by a navigation, of the overview as
// it is after a click, since a navigation would sign the user out. Needs a service in development:
// `npm run dashboard:lighthouse -- http://127.0.0.1:3000`. With what it needs Lighthouse has 176 MB, so that npm fetches it for
// this command alone.
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const CATEGORIES = ['performance', 'accessibility', 'best-practices'];
const MEASURES = {
  LCP: 'largest-contentful-paint',
  TBT: 'total-blocking-time',
  CLS: 'cumulative-layout-shift',
};

const [address] = process.argv.slice(2);
if (address === undefined) {
  process.stderr.write('The address of a service in development is missing, such as http://127.0.0.1:3000.\n');
  process.exit(2);
}
// npm exec adds the package's folder to PATH and to nothing else.
const command = process.env.PATH.split(path.delimiter)
  .map((folder) => path.join(folder, 'lighthouse'))
  .find(existsSync);
if (command === undefined) throw new Error('Run it by `npm run dashboard:lighthouse`.');
const required = createRequire(realpathSync(command));
const load = async (name) => import(pathToFileURL(required.resolve(name)).href);
const { startFlow, desktopConfig } = await load('lighthouse');
const { default: puppeteer } = await load('puppeteer-core');

for (const [profile, config] of [
  ['desktop', desktopConfig],
  ['phone', undefined],
]) {
  const browser = await puppeteer.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'], headless: true });
  try {
    const page = await browser.newPage();
    const flow = await startFlow(page, { ...(config && { config }), flags: { logLevel: 'error' } });
    await flow.navigate(`${address}/dashboard/`, { name: 'sign-in' });
    const signIn = await page.waitForSelector('::-p-text(Sign in as dev-owner)');
    await signIn.click();
    await page.waitForSelector('h1 ::-p-text(Overview)');
    await page.waitForNetworkIdle();
    await flow.snapshot({ name: 'overview' });
    for (const { name, lhr } of (await flow.createFlowResult()).steps) report(`${profile}, ${name}`, lhr);
  } finally {
    await browser.close();
  }
}

function report(name, lhr) {
  // Without a navigation nothing of the performance is measured.
  const judged = lhr.gatherMode === 'navigation' ? CATEGORIES : CATEGORIES.slice(1);
  const scores = judged.flatMap((category) => {
    const found = lhr.categories[category];
    return found === undefined || found.score === null ? [] : [`${category} ${Math.round(found.score * 100)}`];
  });
  const measures = Object.entries(MEASURES).flatMap(([short, id]) => {
    const shown = lhr.audits[id]?.displayValue;
    return shown === undefined ? [] : [`${short} ${shown}`];
  });
  process.stdout.write(`${name}: ${[...scores, ...measures].join(', ')}\n`);
  for (const audit of Object.values(lhr.audits)) {
    if (audit.score !== null && audit.score < 0.9 && audit.scoreDisplayMode === 'binary')
      process.stdout.write(`  ${audit.id}: ${audit.title}\n`);
  }
}
