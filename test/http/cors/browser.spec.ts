/** OpenAI's own package on a page, in a real browser: with a publishable key and the user's JWT, from two origins. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { startService, type TestService } from '../../support/service.js';

/** Debian's Chromium, which .ci/run installs. */
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

const PAGE = `<!doctype html><title>An app</title>
<script type="importmap">{ "imports": { "openai": "/openai/index.mjs" } }</script>`;

/** An app's own web server: a page, and the package as it is published. */
async function serveApp(): Promise<{ origin: string; close: () => Promise<unknown> }> {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://app');
    if (!pathname.startsWith('/openai/')) {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
      return;
    }
    readFile(path.join('node_modules/openai', path.posix.normalize(pathname).slice('/openai/'.length))).then(
      (file) => response.writeHead(200, { 'content-type': 'text/javascript' }).end(file),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

interface CallOfPage {
  readonly baseURL: string;
  readonly apiKey: string;
  readonly publishableKey: string;
  readonly model: string;
  readonly stream: boolean;
}

/** The values that the page's own script can read. */
interface SeenByPage {
  readonly text?: string;
  readonly headers?: Record<string, string>;
  readonly error?: { readonly type: string; readonly status?: number; readonly message: string };
}

const cleanup: (() => Promise<unknown>)[] = [];
let service: TestService;
let userIssuer: UserIssuer;
let browser: Browser;
let allowed: Page;
let other: Page;
let publishableKey: string;

async function openPage(origin: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(origin);
  return page;
}

// eslint-disable-next-line no-restricted-syntax -- a browser that a machine may not have; .ci/run has it, and fails where a test is skipped
(CHROMIUM === undefined ? describe.skip : describe)('the openai package on a page', () => {
  beforeAll(async () => {
    userIssuer = await startUserIssuer();
    cleanup.push(() => userIssuer.stop());
    service = await startService({ settings: userIssuer.settings });
    cleanup.push(() => service.stop());
    const [ours, theirs] = [await serveApp(), await serveApp()];
    cleanup.push(ours.close, theirs.close);
    const org = await service.createOrg('app-owner');
    const { result } = await service.asUser<{ result: { key: string } }>(
      { user: org.user, tenant: org.tenantId },
      'api-keys/create-publishable',
      { name: 'App', oidcConfig: userIssuer.oidcConfig, allowedOrigins: [ours.origin], unlimited: true },
    );
    publishableKey = result.key;
    browser = await chromium.launch({
      executablePath: CHROMIUM ?? '',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    cleanup.push(() => browser.close());
    allowed = await openPage(ours.origin);
    other = await openPage(theirs.origin);
  });

  afterAll(async () => {
    for (const step of cleanup.reverse()) await step();
  });

  const call = (page: Page, over: Partial<CallOfPage> = {}): Promise<SeenByPage> =>
    page.evaluate(
      async ({ baseURL, apiKey, publishableKey: key, model, stream }: CallOfPage): Promise<SeenByPage> => {
        const { default: OpenAI } = await import('openai');
        const client = new OpenAI({
          baseURL,
          apiKey,
          defaultHeaders: { 'X-API-Key': key },
          dangerouslyAllowBrowser: true,
          maxRetries: 0,
        });
        const messages = [{ role: 'user' as const, content: 'Hello' }];
        try {
          if (stream) {
            let text = '';
            for await (const chunk of await client.chat.completions.create({ model, messages, stream })) {
              text += chunk.choices[0]?.delta.content ?? '';
            }
            return { text };
          }
          const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
          return { text: data.choices[0]?.message.content ?? '', headers: Object.fromEntries(response.headers) };
        } catch (error) {
          const { name, status, message } = error as Error & { status?: number };
          return { error: { type: name, message, ...(status === undefined ? {} : { status }) } };
        }
      },
      {
        baseURL: `${service.baseUrl}/v1`,
        apiKey: userIssuer.token({ sub: 'bea' }),
        publishableKey,
        model: UPSTREAM_MODEL,
        stream: false,
        ...over,
      },
    );

  it('completes from an allowed origin, and the page can read the limits and the request id, but no cookies', async () => {
    const { text, headers, error } = await call(allowed);
    expect(error).toBeUndefined();
    expect(text).not.toBe('');
    for (const name of [
      'x-ratelimit-limit',
      'x-ratelimit-remaining',
      'x-ratelimit-reset',
      'x-ratelimit-remaining-requests',
      'ratelimit',
      'x-request-id',
    ]) {
      expect({ name, readable: headers?.[name] !== undefined }).toEqual({ name, readable: true });
    }
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
  });

  it('streams from an allowed origin', async () => {
    const { text, error } = await call(allowed, { stream: true });
    expect(error).toBeUndefined();
    expect(text).not.toBe('');
  });

  it('is refused from another origin, and the page can read the reason', async () => {
    const before = service.upstream.requests.length;
    const { error } = await call(other);
    expect(error).toMatchObject({ status: 403, message: expect.stringMatching(/origin/i) });
    expect(service.upstream.requests.length).toBe(before);
  });

  it("is told, readably for the page, that the user's token has expired", async () => {
    const { error } = await call(allowed, {
      apiKey: userIssuer.token({ sub: 'bea', exp: Math.floor(Date.now() / 1000) - 10 }),
    });
    expect(error).toMatchObject({ status: 401 });
  });
});
