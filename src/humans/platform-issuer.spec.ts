import { EndUsers, publishableKey } from '../../test/support/end-users.js';
import { TestIssuer } from '../../test/support/tokens.js';
import { ExpiredCredentialFault, refusedCredential } from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { firebaseIssuer, type DashboardIssuer } from '../signin/index.js';

const outbound = new OutboundHttp({ connectTimeoutMs: 1000 });
let platform: TestIssuer;
let otherPlatform: TestIssuer;
let trusted: DashboardIssuer;

beforeAll(async () => {
  platform = await TestIssuer.start();
  otherPlatform = await TestIssuer.start('demo-other');
  trusted = firebaseIssuer({ projectId: platform.audience, jwksUrl: platform.jwksUrl }, outbound);
});

afterAll(async () => {
  await outbound.onApplicationShutdown();
  await Promise.all([platform.stop(), otherPlatform.stop()]);
});

const key = publishableKey(null, { otherHumanPrefixes: ['b:'] });

const outcome = (
  token: string,
  platformIssuers: readonly DashboardIssuer[] = [trusted],
  lent = true,
): Promise<unknown> =>
  new EndUsers(outbound, { issuers: platformIssuers, lent }).present(key, token).catch((error: unknown) => error);

const tokenOf = (claims: Record<string, unknown> = {}): string => platform.sign({ tenant_id: 'acme-1', ...claims });
const now = (): number => Math.floor(Date.now() / 1000);

describe("a key without an issuer, where the operator allows the platform's own", () => {
  it("accepts a token of the platform that has the key's tenant", async () => {
    expect(await outcome(tokenOf())).toMatchObject({ kind: 'endUser', tenantId: 'acme-1', human: 'user-1' });
  });

  it.each([
    ['no tenant', { tenant_id: undefined }],
    ['a tenant that is null', { tenant_id: null }],
    ['a tenant that is not text', { tenant_id: ['acme-1'] }],
  ])('refuses one with %s with 401: no app accepts it', async (_what, claims) => {
    expect(await outcome(tokenOf(claims))).toMatchObject({ kind: 'unauthenticated' });
  });

  it.each(['acme-2', 'ACME-1', ''])('refuses one of the tenant %j with 403', async (tenant) => {
    expect(await outcome(tokenOf({ tenant_id: tenant }))).toMatchObject({ kind: 'permission_denied' });
  });

  it('refuses every token that the dashboard refuses', async () => {
    for (const [what, token] of Object.entries(platform.brokenTokens({ tenant_id: 'acme-1' }))) {
      // The dashboard limits user ids to fewer characters.
      if (what === 'sub of 129 characters') continue;
      const error = await outcome(token);
      expect({ what, error }).toEqual({ what, error: expect.any(Fault) as Fault });
      expect({ what, kind: (error as Fault).kind }).toEqual({ what, kind: 'unauthenticated' });
    }
  });

  it("refuses a subject that begins with the prefix of another issuer's humans", async () => {
    expect(await outcome(tokenOf({ sub: 'b:user-1' }))).toMatchObject({ kind: 'unauthenticated' });
  });

  it('distinguishes an expired token from a bad one', async () => {
    expect(await outcome(tokenOf({ exp: now() - 1 }))).toBeInstanceOf(ExpiredCredentialFault);
    const elsewhere = await outcome(tokenOf({ exp: now() - 1, tenant_id: 'acme-2' }));
    expect(elsewhere).toMatchObject({ kind: 'unauthenticated' });
    expect(elsewhere).not.toBeInstanceOf(ExpiredCredentialFault);
  });

  it('asks the issuer first whether the person may still sign in', async () => {
    const asked: unknown[] = [];
    const accounts = {
      assertActive: (userId: string, signedInAt: number): Promise<void> => {
        asked.push([userId, signedInAt]);
        return Promise.reject(refusedCredential('account_disabled'));
      },
    };
    const issuers = [{ ...trusted, accounts }];
    const signedInAt = now() - 100;
    for (const tenant of ['acme-1', 'acme-2']) {
      const error = await outcome(tokenOf({ auth_time: signedInAt, tenant_id: tenant }), issuers);
      expect(error).toMatchObject({ kind: 'unauthenticated' });
    }
    expect(asked).toEqual([
      ['user-1', signedInAt],
      ['user-1', signedInAt],
    ]);
    await outcome(tokenOf({ exp: now() - 1 }), issuers);
    expect(asked).toHaveLength(2);
  });

  it('recognises each of several issuers by its name', async () => {
    const { audience: projectId, jwksUrl } = otherPlatform;
    const another = firebaseIssuer({ projectId, jwksUrl }, outbound);
    const issuers = [trusted, { ...another, name: 'other' }];
    const theirs = otherPlatform.sign({ tenant_id: 'acme-1', sub: 'user-2' });
    expect(await outcome(theirs, issuers)).toMatchObject({ human: 'user-2' });
    expect(await outcome(tokenOf(), issuers)).toMatchObject({ human: 'user-1' });
    expect(await outcome(theirs)).toMatchObject({ kind: 'unauthenticated' });
  });
});

it('a key without an issuer accepts no tokens where the operator allows nothing', async () => {
  const error = await outcome(tokenOf(), [trusted], false);
  expect(error).toMatchObject({ kind: 'unauthenticated' });
});
