import { TestIssuer } from '../../test/support/tokens.js';
import {
  CredentialStrategies,
  DASHBOARD_STRATEGY,
  REFUSAL_CODES,
  RefusedCredential,
  type Principal,
  type RefusalReason,
  type Role,
} from '../identity/index.js';
import { Fault } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { logger } from '../platform/logging/index.js';
import { DashboardStrategies, type DashboardIssuer } from './dashboard.strategy.js';
import { firebaseIssuer } from './firebase/firebase-issuer.js';
import { MembershipDirectory, type Membership } from './membership-directory.js';

/** The membership rows that a test sets. */
class StatedMemberships extends MembershipDirectory {
  readonly asked: string[] = [];
  failure: Error | null = null;

  constructor(private readonly rows: Readonly<Record<string, Role>> = {}) {
    super();
  }

  currentTenantOf(): Promise<string | null> {
    return Promise.resolve(null);
  }

  find(tenantId: string, userId: string): Promise<Membership | null> {
    this.asked.push(`${tenantId}/${userId}`);
    if (this.failure !== null) return Promise.reject(this.failure);
    const role = this.rows[`${tenantId}/${userId}`];
    return Promise.resolve(role === undefined ? null : { orgId: 'org_1', role });
  }
}

// Issuers go down here on purpose, and each outage logs a warning.
logger.level = 'silent';

const outbound = new OutboundHttp({ connectTimeoutMs: 1000 });
const issuers: TestIssuer[] = [];

afterAll(async () => {
  await outbound.onApplicationShutdown();
  await Promise.all(issuers.map((issuer) => issuer.stop()));
});

async function startIssuer(projectId?: string): Promise<TestIssuer> {
  const issuer = await TestIssuer.start(projectId);
  issuers.push(issuer);
  return issuer;
}

const trusted = (issuer: TestIssuer): DashboardIssuer =>
  firebaseIssuer({ projectId: issuer.audience, jwksUrl: issuer.jwksUrl }, outbound);

/** The reason of each broken token, by hand. */
const REASON_OF: Readonly<Record<string, RefusalReason>> = {
  'alg none': 'unsupported_header',
  'alg none in capitals': 'unsupported_header',
  'HS256 with the public key as secret': 'unsupported_header',
  'RS256 in name, HMAC in fact': 'bad_signature',
  RS384: 'unsupported_header',
  PS256: 'unsupported_header',
  'no alg': 'unsupported_header',
  'unknown kid': 'unknown_signing_key',
  'no kid': 'unsupported_header',
  'kid that is no text': 'unsupported_header',
  'known kid, key of another': 'bad_signature',
  'key carried along in the header': 'bad_signature',
  'another typ': 'unsupported_header',
  'crit extension': 'unsupported_header',
  'wrong iss': 'wrong_issuer',
  'no iss': 'wrong_issuer',
  'wrong aud': 'wrong_audience',
  'aud among others': 'wrong_audience',
  'no aud': 'wrong_audience',
  expired: 'expired_token',
  'no exp': 'bad_claims',
  'exp that is text': 'bad_claims',
  'exp null': 'bad_claims',
  'iat in the future': 'not_yet_valid',
  'no iat': 'bad_claims',
  'auth_time in the future': 'not_yet_valid',
  'no auth_time': 'bad_claims',
  'auth_time that is text': 'bad_claims',
  'nbf in the future': 'not_yet_valid',
  'no sub': 'bad_claims',
  'empty sub': 'bad_claims',
  'sub that is a number': 'bad_claims',
  'sub of 129 characters': 'bad_claims',
  'sub with U+0000': 'bad_claims',
  'sub with half a surrogate pair': 'bad_claims',
  'changed signature': 'bad_signature',
  'no signature': 'bad_signature',
  'changed claims': 'bad_signature',
  'claims that are null': 'malformed_jwt',
  'claims that are no JSON': 'malformed_jwt',
  garbage: 'malformed_jwt',
  'three parts of garbage': 'malformed_jwt',
  'header that is no JSON': 'malformed_jwt',
  'header that is null': 'malformed_jwt',
};

function signInWith(
  trustedIssuers: readonly DashboardIssuer[],
  memberships = new StatedMemberships(),
): CredentialStrategies {
  const strategies = new CredentialStrategies();
  new DashboardStrategies(strategies, memberships, trustedIssuers).onModuleInit();
  return strategies;
}

const present = (strategies: CredentialStrategies, token: string, name = DASHBOARD_STRATEGY): Promise<Principal> =>
  strategies.verify(name, { authorization: `Bearer ${token}` });

const refusal = (strategies: CredentialStrategies, token: string, name?: string): Promise<unknown> =>
  present(strategies, token, name).then(
    (principal) => principal,
    (error: unknown) => error,
  );

describe('dashboard sign-in', () => {
  it('makes an account of a good token without tenant_id, frozen', async () => {
    const issuer = await startIssuer();
    const principal = await present(signInWith([trusted(issuer)]), issuer.sign());
    const person = { userId: 'user-1', email: 'user-1@example.com', emailVerified: true };
    expect(principal).toEqual({ ...person, kind: 'account', claimsTenant: false });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it.each([[undefined], [null], [7], [''], ['a\0b'], ['x'.repeat(321)]])('takes %j for no email', async (email) => {
    const issuer = await startIssuer();
    await expect(present(signInWith([trusted(issuer)]), issuer.sign({ email }))).resolves.toMatchObject({
      email: null,
    });
  });

  it.each([[undefined], [null], [false], ['true'], [1]])(
    'takes an address for verified only where the issuer says so, not with %j',
    async (emailVerified) => {
      const issuer = await startIssuer();
      const token = issuer.sign({ email_verified: emailVerified });
      await expect(present(signInWith([trusted(issuer)]), token)).resolves.toMatchObject({ emailVerified: false });
    },
  );

  it('takes the role from the membership row, whatever the claims say, frozen', async () => {
    const issuer = await startIssuer();
    const memberships = new StatedMemberships({ 'acme-1/user-1': 'viewer' });
    const token = issuer.sign({ tenant_id: 'acme-1', role: 'owner' });
    const principal = await present(signInWith([trusted(issuer)], memberships), token);
    const person = { userId: 'user-1', email: 'user-1@example.com', emailVerified: true };
    expect(principal).toEqual({ ...person, kind: 'dashboardUser', tenantId: 'acme-1', role: 'viewer' });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it('gives no tenant to a token whose tenant has no such member', async () => {
    const issuer = await startIssuer();
    const memberships = new StatedMemberships({ 'acme-1/user-2': 'owner', 'acme-2/user-1': 'owner' });
    const principal = await present(signInWith([trusted(issuer)], memberships), issuer.sign({ tenant_id: 'acme-1' }));
    expect(principal).toMatchObject({ kind: 'account', claimsTenant: true });
    expect(memberships.asked).toEqual(['acme-1/user-1']);
  });

  it.each([[''], [42], [{}], [['acme-1']], [true], ['t'.repeat(65)], ['acme\0'], ['acme\ud800']])(
    'asks for no membership in %j, which can be no tenant, and does not take it for an absent claim',
    async (tenantId) => {
      const issuer = await startIssuer();
      const memberships = new StatedMemberships();
      const principal = await present(signInWith([trusted(issuer)], memberships), issuer.sign({ tenant_id: tenantId }));
      expect(principal).toMatchObject({ kind: 'account', claimsTenant: true });
      expect(memberships.asked).toEqual([]);
    },
  );

  it('takes a subject of 128 characters of any script, and a clock that is 3 s ahead', async () => {
    const issuer = await startIssuer();
    const now = Math.floor(Date.now() / 1000);
    const sub = '𝔘'.repeat(64);
    const token = issuer.sign({ sub, iat: now + 3, auth_time: now + 3 });
    await expect(present(signInWith([trusted(issuer)]), token)).resolves.toMatchObject({ userId: sub });
  });

  it('refuses every kind of broken token for its real reason, before any membership is looked up', async () => {
    const issuer = await startIssuer();
    const memberships = new StatedMemberships({ 'acme-1/user-1': 'owner' });
    const strategies = signInWith([trusted(issuer)], memberships);
    await present(strategies, issuer.sign());
    const broken = issuer.brokenTokens({ tenant_id: 'acme-1' });
    const reasons: Record<string, unknown> = {};
    for (const [kind, token] of Object.entries(broken)) {
      const fault = await refusal(strategies, token);
      if (!(fault instanceof RefusedCredential)) throw new TypeError(`${kind} was not refused.`, { cause: fault });
      expect(fault).toMatchObject({ status: 401, code: REFUSAL_CODES[fault.reason] });
      reasons[kind] = fault.reason;
    }
    expect(reasons).toEqual(REASON_OF);
    expect(memberships.asked).toEqual([]);
  });

  it('answers 503 while the keys were never had and the issuer is down', async () => {
    const issuer = await startIssuer();
    const strategies = signInWith([trusted(issuer)]);
    const token = issuer.sign();
    await issuer.stop();
    await expect(refusal(strategies, token)).resolves.toMatchObject({ kind: 'unavailable' });
  });

  it.each([[500], [404]])('answers 503 while the issuer answers %i for its keys', async (status) => {
    const issuer = await startIssuer();
    issuer.jwksStatus = status;
    await expect(refusal(signInWith([trusted(issuer)]), issuer.sign())).resolves.toMatchObject({ kind: 'unavailable' });
  });

  it('goes on verifying with the keys that it has when the issuer goes down', async () => {
    const issuer = await startIssuer();
    const strategies = signInWith([trusted(issuer)]);
    await present(strategies, issuer.sign());
    await issuer.stop();
    await expect(present(strategies, issuer.sign())).resolves.toMatchObject({ kind: 'account' });
    await expect(refusal(strategies, issuer.sign({ aud: 'x' }))).resolves.toMatchObject({ kind: 'unauthenticated' });
  });

  it('asks for the keys once, for any number of tokens', async () => {
    const issuer = await startIssuer();
    const strategies = signInWith([trusted(issuer)]);
    await Promise.all(Array.from({ length: 50 }, (_, i) => present(strategies, issuer.sign({ sub: `user-${i}` }))));
    expect(issuer.jwksRequests).toBe(1);
  });

  it('hands on the error of a membership look-up that failed: an outage is not a bad token', async () => {
    const issuer = await startIssuer();
    const memberships = new StatedMemberships();
    memberships.failure = new Fault('unavailable', 'The database can not be reached.');
    const strategies = signInWith([trusted(issuer)], memberships);
    await expect(refusal(strategies, issuer.sign({ tenant_id: 'acme-1' }))).resolves.toBe(memberships.failure);
  });

  it('sees no credential but the one in Authorization', async () => {
    const issuer = await startIssuer();
    const strategies = signInWith([trusted(issuer)]);
    const verified = strategies.verify(DASHBOARD_STRATEGY, { 'x-api-key': issuer.sign() });
    await expect(verified).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  describe('with an issuer that is asked about its users', () => {
    const REFUSED = new Fault('unauthenticated', 'refused');
    const asking = (issuer: TestIssuer, answers: (userId: string, signedInAt: number) => void): DashboardIssuer => ({
      ...trusted(issuer),
      accounts: { assertActive: answers },
    });

    it('asks by the subject and the time of the sign-in, once the token itself is good', async () => {
      const issuer = await startIssuer();
      const asked: [string, number][] = [];
      const strategies = signInWith([asking(issuer, (...question) => void asked.push(question))]);
      for (const token of Object.values(issuer.brokenTokens())) await refusal(strategies, token);
      expect(asked).toEqual([]);
      const signedInAt = Math.floor(Date.now() / 1000) - 7000;
      await expect(present(strategies, issuer.sign({ auth_time: signedInAt }))).resolves.toMatchObject({
        kind: 'account',
      });
      expect(asked).toEqual([['user-1', signedInAt]]);
    });

    it.each([
      ['refuses', REFUSED],
      ["can't be asked", new Fault('unavailable', 'down')],
    ])('refuses a user whom it %s, and asks for no membership', async (_how, fault) => {
      const issuer = await startIssuer();
      const memberships = new StatedMemberships({ 'acme-1/user-1': 'owner' });
      const accounts = { assertActive: () => Promise.reject(fault) };
      const strategies = signInWith([{ ...trusted(issuer), accounts }], memberships);
      for (const claims of [{}, { tenant_id: 'acme-1' }]) {
        await expect(refusal(strategies, issuer.sign(claims))).resolves.toBe(fault);
      }
      expect(memberships.asked).toEqual([]);
    });
  });

  describe('with two issuers', () => {
    it('has one verifier for each, which takes no token of the other', async () => {
      const [one, two] = [await startIssuer('demo-one'), await startIssuer('demo-two')];
      const strategies = signInWith([trusted(one), trusted(two)]);
      const names = [one, two].map(({ issuer }) => strategies.strategyOfIssuer(issuer) ?? '');
      expect(new Set(names).size).toBe(2);
      expect(names).toContain(DASHBOARD_STRATEGY);
      const [nameOfOne, nameOfTwo] = names;
      await expect(present(strategies, one.sign(), nameOfOne)).resolves.toMatchObject({ kind: 'account' });
      await expect(present(strategies, two.sign(), nameOfTwo)).resolves.toMatchObject({ kind: 'account' });
      for (const [token, name] of [
        [one.sign(), nameOfTwo],
        [two.sign(), nameOfOne],
        [two.sign({ iss: one.issuer, aud: one.audience }), nameOfOne],
        [one.sign({ iss: two.issuer }), nameOfTwo],
      ] as const) {
        await expect(refusal(strategies, token, name)).resolves.toMatchObject({ kind: 'unauthenticated' });
      }
    });

    it('does not start where both are the same', async () => {
      const issuer = await startIssuer();
      expect(() => signInWith([trusted(issuer), trusted(issuer)])).toThrow(/Two verifiers/);
    });
  });

  it('keeps two applications in one process apart', async () => {
    const [one, two] = [await startIssuer('demo-one'), await startIssuer('demo-two')];
    const [first, second] = [signInWith([trusted(one)]), signInWith([trusted(two)])];
    await expect(present(first, one.sign())).resolves.toMatchObject({ kind: 'account' });
    await expect(refusal(second, one.sign())).resolves.toMatchObject({ kind: 'unauthenticated' });
  });
});
