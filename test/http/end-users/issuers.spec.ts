/**
 * The sources of users' tokens: the key's issuer, whose keys are discovered, cached, missing or refused; or the platform's own
 * issuer.
 */
import type http from 'node:http';
import { eventually } from '../../support/eventually.js';
import { startUserIssuer, type UserIssuer } from '../../support/oidc-issuer.js';
import { createTestDatabase } from '../../support/postgres.js';
import { PostgresProxy, isCallOf } from '../../support/postgres-proxy.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';
import { openaiError, platformError } from '../refusals.js';
import { asEndUser, createAppKey, listModels, listThreads } from './app.js';

const cleanup: (() => Promise<unknown>)[] = [];
let service: TestService;
let org: Org;
let prefixes = 0;

beforeAll(async () => {
  const issuer = await startIssuer();
  service = await startService({ settings: { ...issuer.settings, failedAuthenticationsPerMinute: 40 } });
  cleanup.push(() => service.stop());
  org = await service.createOrg('founder');
});

afterAll(async () => {
  for (const step of cleanup.reverse()) await step();
});

async function startIssuer(path = '', protocol: 'https:' | 'http:' = 'https:'): Promise<UserIssuer> {
  const issuer = await startUserIssuer({ alg: 'ES256', path, protocol });
  cleanup.push(() => issuer.stop());
  return issuer;
}

/** Each issuer of a tenant needs another prefix. */
const ownPrefix = (): { human_prefix: string } => ({ human_prefix: `issuer-${(prefixes += 1)}:` });

const respond =
  (status: number, body: object | string, headers: http.OutgoingHttpHeaders = {}) =>
  (response: http.ServerResponse): void => {
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  };

/** The answer says that the token can't be verified now, and gives no reason. */
function expectUnavailable(answer: Answer): void {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status: 503 });
  expect(answer.json<{ error: object }>().error).toMatchObject({
    message: expect.stringMatching(/^The keys of the token's issuer can't be fetched/) as string,
  });
  expect(answer.text).not.toMatch(/\d+\.\d+\.\d+\.\d+|https?:|ECONN|redirect|:\d{4}/);
  expect(answer.headers['retry-after']).toBe('5');
  expect(answer.headers['x-ratelimit-limit']).toBe('1000');
}

describe("an issuer's keys", () => {
  it.each([
    ['by discovery', '', false],
    ['by discovery behind a path', '/realms/acme', false],
    ['at the jwks_uri of the key', '', true],
  ])('are found %s', async (_how, path, named) => {
    const issuer = await startIssuer(path);
    const wishes = { ...ownPrefix(), ...(named ? { jwks_uri: issuer.jwksUri } : {}) };
    const app = await createAppKey(service, org, issuer, wishes);
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
    expect(issuer.requests).toEqual(named ? [issuer.jwksPath] : [issuer.discoveryPath, issuer.jwksPath]);
  });

  it("that can't be fetched give 503 in either dialect, name no address and count as no failed authentication", async () => {
    const issuer = await startIssuer();
    const app = await createAppKey(service, org, issuer, ownPrefix());
    await issuer.goDown();
    const answers: Answer[] = [];
    // More than the failures that an address may have in a minute.
    for (let index = 0; index < 45; index += 1) {
      answers.push(await listThreads(service, asEndUser(app, issuer.token({ sub: `user-${index}` }))));
    }
    answers.push(await listModels(service, asEndUser(app, issuer.token())));
    answers.forEach(expectUnavailable);
    await issuer.comeBack();
    await eventually(async () => (await listThreads(service, asEndUser(app, issuer.token()))).status === 200);
  });

  it('that were fetched keep working while the issuer is down', async () => {
    const issuer = await startIssuer();
    const app = await createAppKey(service, org, issuer, ownPrefix());
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
    await issuer.goDown();
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
  });

  it('are fetched again for a new kid, but not for every request that invents one', async () => {
    const issuer = await startIssuer();
    const app = await createAppKey(service, org, issuer, ownPrefix());
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
    for (let index = 0; index < 20; index += 1) {
      const token = issuer.token({}, { header: { kid: `invented-${index}` } });
      platformError(await listThreads(service, asEndUser(app, token)), 401);
    }
    expect(issuer.fetches).toEqual({ discovery: 1, jwks: 1 });
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
  });

  it.each<[string, (issuer: UserIssuer, elsewhere: UserIssuer, plain: UserIssuer) => void]>([
    [
      'behind a redirect of its configuration',
      (issuer, { issuer: other }) => {
        const location = `${other}/.well-known/openid-configuration`;
        issuer.answers.set(issuer.discoveryPath, respond(302, '', { location }));
      },
    ],
    [
      'behind a redirect of its keys',
      (issuer, { jwksUri }) => issuer.answers.set(issuer.jwksPath, respond(307, '', { location: jwksUri })),
    ],
    [
      "in another issuer's configuration",
      (issuer, elsewhere) => issuer.answers.set(issuer.discoveryPath, respond(200, elsewhere.configuration())),
    ],
    [
      'over plain http',
      (issuer, _elsewhere, { jwksUri }) =>
        issuer.answers.set(issuer.discoveryPath, respond(200, { ...issuer.configuration(), jwks_uri: jwksUri })),
    ],
    [
      'at an address of this machine’s network that is not allowed',
      (issuer) => {
        const inside = { ...issuer.configuration(), jwks_uri: 'https://169.254.169.254/jwks.json' };
        issuer.answers.set(issuer.discoveryPath, respond(200, inside));
      },
    ],
    [
      'in more than 256 KiB',
      (issuer) => {
        const padded = { ...issuer.jwks(), padding: 'x'.repeat(300_000) };
        issuer.answers.set(issuer.jwksPath, respond(200, padded));
      },
    ],
  ])('are not accepted %s', async (_where, change) => {
    const [issuer, elsewhere, plain] = [await startIssuer(), await startIssuer(), await startIssuer('', 'http:')];
    change(issuer, elsewhere, plain);
    const app = await createAppKey(service, org, issuer, ownPrefix());
    for (const signer of [issuer, elsewhere, plain]) {
      expectUnavailable(await listThreads(service, asEndUser(app, signer.token({ iss: issuer.issuer }))));
    }
    expect([...elsewhere.requests, ...plain.requests]).toEqual([]);
  });

  it("of one tenant's configuration never serve another tenant's, although both name the same issuer", async () => {
    const [issuer, evil] = [await startIssuer(), await startIssuer()];
    const app = await createAppKey(service, org, issuer, ownPrefix());
    const forger = await service.createOrg('forger');
    const forged = evil.token({ iss: issuer.issuer, sub: 'victim' });
    const own = await createAppKey(service, forger, issuer, { jwks_uri: evil.jwksUri });
    expect((await listThreads(service, asEndUser(own, forged))).status).toBe(200);
    platformError(await listThreads(service, asEndUser(app, forged)), 401);
    expect((await listThreads(service, asEndUser(app, issuer.token()))).status).toBe(200);
  });
});

it('an issuer in our own network is never called, however it got into the database', async () => {
  const issuer = await startIssuer();
  const strict = await startService();
  cleanup.push(() => strict.stop());
  const owner = await strict.createOrg('strict');
  const app = await createAppKey(strict, owner, issuer, { issuer: 'https://issuer.example.com' });
  for (const jwksUri of [null, issuer.jwksUri]) {
    const values = [app.keyId, issuer.issuer, jwksUri];
    await strict.sql('UPDATE api_keys SET oidc_issuer = $2, oidc_jwks_uri = $3 WHERE id = $1', values);
    await eventually(async () => (await listThreads(strict, asEndUser(app, issuer.token()))).status === 503);
  }
  expect(issuer.requests).toEqual([]);
});

it('an end user whose data is cached costs no statement and no fetch', async () => {
  const issuer = await startIssuer();
  const database = await createTestDatabase();
  const proxy = await PostgresProxy.start(database.ownerUrl);
  const warm = await startService({
    database,
    settings: {
      ...issuer.settings,
      databaseUrl: proxy.through(database.ownerUrl),
      // Background work uses another database connection, or runs later.
      databaseDirectUrl: database.ownerUrl,
      leaseSeconds: 3600,
      sweepSeconds: 3600,
      // Windows in memory, as with the embedded database.
      embeddedDatabase: true,
      requestsPerMinutePerHuman: 1_000_000,
    },
  });
  cleanup.push(
    () => database.drop(),
    () => proxy.close(),
    () => warm.stop(),
  );
  const app = await createAppKey(warm, await warm.createOrg('warm'), issuer);
  const headers = asEndUser(app, issuer.token());
  expect((await listModels(warm, headers)).status).toBe(200);
  const fetches = issuer.requests.length;

  let statements = 0;
  proxy.judge = (message) => {
    const asks = message.from === 'client' && (message.type === 'B' || message.type === 'Q');
    if (asks && !isCallOf('touch_api_keys', message)) statements += 1;
    return 'pass';
  };
  // While a heartbeat is late on a busy machine, keys are looked up; after it they are not.
  await eventually(async () => {
    statements = 0;
    for (let index = 0; index < 10; index += 1) {
      const sub = `user-${index}`;
      expect((await listModels(warm, asEndUser(app, issuer.token({ sub })))).status).toBe(200);
    }
    return statements === 0;
  });
  expect(issuer.requests).toHaveLength(fetches);
});

describe("a key without an issuer accepts the platform's own tokens", () => {
  it('where the operator allows it, and only those of its tenant', async () => {
    const lent = await startService({ settings: { publishableDefaultIssuer: 'platform' } });
    cleanup.push(() => lent.stop());
    const ours = await lent.createOrg('ours');
    const app = await createAppKey(lent, ours, null);
    const token = (tenant: string | undefined, claims = {}): string =>
      lent.dashboardToken({ user: 'a-user', tenant, claims });
    // Any user with the claim who signs in on the platform; a membership is not needed.
    expect((await listThreads(lent, asEndUser(app, token(ours.tenantId)))).status).toBe(200);
    platformError(await listThreads(lent, asEndUser(app, token(undefined))), 401);
    const theirs = await lent.createOrg('theirs');
    platformError(await listThreads(lent, asEndUser(app, token(theirs.tenantId))), 403);
    openaiError(await listModels(lent, asEndUser(app, token(theirs.tenantId))), 403);

    lent.google.disabled.add('disabled');
    const disabled = lent.dashboardToken({ user: 'disabled', tenant: ours.tenantId });
    platformError(await listThreads(lent, asEndUser(app, disabled)), 401);
  });

  it('and is refused where the operator no longer allows it', async () => {
    const lent = await startService({ settings: { publishableDefaultIssuer: 'platform' } });
    cleanup.push(() => lent.stop());
    const ours = await lent.createOrg('ours');
    const app = await createAppKey(lent, ours, null);
    const { database, issuer, upstream, google, settings } = lent;
    const { peppers, signingKeys } = settings;
    const strict = await startService({ database, issuer, upstream, google, settings: { peppers, signingKeys } });
    cleanup.push(() => strict.stop());
    const headers = asEndUser(app, lent.dashboardToken({ user: 'a-user', tenant: ours.tenantId }));
    expect((await listThreads(lent, headers)).status).toBe(200);
    platformError(await listThreads(strict, headers), 401);
  });
});
