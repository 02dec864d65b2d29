/** The dashboard's and the guides' files, as browsers and caches receive them. */
import { spawnSync } from 'node:child_process';
import { startService, type TestService } from '../../support/service.js';

let service: TestService;
let page: string;
let asset: string;

beforeAll(async () => {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const { status, stderr } = spawnSync(process.execPath, ['scripts/build-dashboard.mjs'], { encoding: 'utf8', env });
  if (status !== 0) throw new Error(stderr);
  service = await startService();
  page = (await service.call('GET', '/dashboard/')).text;
  asset = /\/dashboard\/assets\/index-[\w-]+\.js/.exec(page)?.[0] ?? '';
});

afterAll(() => service.stop());

it('the page is served without a cache and under a strict policy, for every path below it', async () => {
  for (const path of ['/dashboard', '/dashboard/', '/dashboard/keys?x=1', '/dashboard/gateways/one/tokens']) {
    const { status, headers, text } = await service.call('GET', path);
    expect([path, status, text]).toEqual([path, 200, page]);
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      'content-type': expect.stringMatching(/^text\/html; charset=utf-8$/i) as string,
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      vary: 'accept-encoding',
    });
    const policy = String(headers['content-security-policy']);
    expect(policy).toMatch(/default-src 'none'.*require-trusted-types-for 'script'.*trusted-types 'none'/);
    expect(policy).not.toMatch(/unsafe|\*|data:|blob:/);
  }
});

it('hashed files never change, are compressed as the caller accepts, and give 304 to a caller that has them', async () => {
  expect(asset).not.toBe('');
  const plain = await service.call('GET', asset);
  expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable');
  expect(plain.headers['content-encoding']).toBeUndefined();
  expect(plain.headers['content-type']).toMatch(/javascript/);
  const zipped = await fetch(`${service.baseUrl}${asset}`, { headers: { 'accept-encoding': 'gzip' } });
  expect(zipped.headers.get('content-encoding')).toMatch(/^gzip$/);
  expect(await zipped.text()).toBe(plain.text);
  const etag = String((await service.call('GET', '/dashboard/')).headers.etag);
  expect((await service.call('GET', '/dashboard/', { headers: { 'if-none-match': etag } })).status).toBe(304);
});

it('serves only files of the build, and 404 for others', async () => {
  for (const path of [
    '/dashboard/assets/none.js',
    `${asset}.gz`,
    '/dashboard/assets/%2e%2e/index.html',
    '/dashboard/assets/../../package.json',
  ]) {
    const { status, text } = await service.call('GET', path);
    expect([path, status < 500, text.includes('"dependencies"')]).toEqual([path, true, false]);
    if (/none\.js$|\.gz$/.test(path)) expect([status, text]).toEqual([404, expect.stringContaining('no such file')]);
  }
  const guide = await service.call('GET', '/docs/guide');
  expect([guide.status, guide.headers['location']]).toEqual([302, '/docs/guide/']);
  const invited = await service.call('GET', '/accept-invitation');
  expect([invited.status, invited.headers['location']]).toEqual([302, '/dashboard/accept-invitation']);
});
