import { EndUsers, publishableKey, type KeyWishes } from '../../test/support/end-users.js';
import {
  newIssuerKey,
  startUserIssuer,
  type IssuerAlgorithm,
  type UserIssuer,
} from '../../test/support/oidc-issuer.js';
import { ExpiredCredentialFault, REFUSAL_CODES, RefusedCredential } from '../identity/index.js';
import { CREDENTIAL_CODES } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';

const outbound = new OutboundHttp({
  connectTimeoutMs: 1000,
  mode: 'development',
  outboundAllowCidrs: ['127.0.0.0/8'],
});
const issuers: UserIssuer[] = [];

afterAll(async () => {
  await outbound.onApplicationShutdown();
  await Promise.all(issuers.map((issuer) => issuer.stop()));
});

async function startIssuer(alg: IssuerAlgorithm = 'ES256'): Promise<UserIssuer> {
  const issuer = await startUserIssuer({ protocol: 'http:', alg });
  issuers.push(issuer);
  return issuer;
}

/** The codes of broken tokens with another code than `invalid_credential`. */
const CODE_OF: Readonly<Record<string, string>> = {
  expired: 'expired_token',
  'expired long ago': 'expired_token',
  'no alg': 'malformed_credential',
  'alg that is no text': 'malformed_credential',
  'empty crit': 'malformed_credential',
};

/** The reason of each refusal, by hand. */
const REASON_OF: Readonly<Record<string, string>> = {
  'alg none': 'unsupported_header',
  'unknown kid': 'unknown_signing_key',
  'known kid, key of another': 'bad_signature',
  'crit extension': 'unsupported_header',
  'wrong iss': 'wrong_issuer',
  'wrong aud': 'wrong_audience',
  'no aud': 'bad_claims',
  expired: 'expired_token',
  'no exp': 'bad_claims',
  'nbf in the future': 'not_yet_valid',
  'iat in the future': 'not_yet_valid',
  'no sub': 'bad_claims',
  'changed signature': 'bad_signature',
};

const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe('an end user', () => {
  let issuer: UserIssuer;
  let users: EndUsers;

  beforeAll(async () => {
    issuer = await startIssuer('RS256');
    users = new EndUsers(outbound);
  });

  it('has the tenant of the key and the human of the token, frozen', async () => {
    const principal = await users.present(publishableKey(issuer), issuer.token(), 'https://app.example.com');
    expect(principal).toEqual({
      kind: 'endUser',
      tenantId: 'acme-1',
      keyId: 'key_1',
      scopes: new Set(['chat:write']),
      requestsPerMinute: 1000,
      requestsPerMinutePerHuman: 60,
      human: 'user-1',
      origin: 'https://app.example.com',
    });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it('may be on no page at all', async () => {
    await expect(users.present(publishableKey(issuer), issuer.token())).resolves.toMatchObject({ origin: null });
  });

  it.each(['RS256', 'PS256', 'ES256'] as const)('may have a token signed with %s', async (alg) => {
    const signing = await startIssuer(alg);
    await expect(new EndUsers(outbound).present(publishableKey(signing), signing.token())).resolves.toMatchObject({
      human: 'user-1',
    });
  });

  it.each([['JWT'], ['jwt'], ['at+jwt'], ['application/at+jwt'], ['application/JWT'], [undefined]])(
    'may have a token of the typ %s',
    async (typ) => {
      const token = issuer.token({}, { header: { typ } });
      await expect(users.present(publishableKey(issuer), token)).resolves.toMatchObject({ human: 'user-1' });
    },
  );

  it.each([
    ['a list of the audience', { aud: ['app'] }],
    ['a list of audiences', { aud: ['another-app', 'app', 'userinfo'], azp: 'another-client' }],
    ['a client that is another than the audience', { azp: 'client-1' }],
    ['no iat', { iat: undefined }],
    ['an iat 4 s ahead of us', { iat: inSeconds(4) }],
    ['an nbf 4 s ahead of us', { nbf: inSeconds(4) }],
    ['times with fractions', { iat: inSeconds(-1) + 0.5, exp: inSeconds(60) + 0.5 }],
    ['the tenant of the key', { tenant_id: 'acme-1' }],
    ['a tenant that is null', { tenant_id: null }],
  ])('may have a token with %s', async (_what, claims) => {
    await expect(users.present(publishableKey(issuer), issuer.token(claims))).resolves.toMatchObject({
      human: 'user-1',
    });
  });

  it.each(['x'.repeat(256), '𝔘'.repeat(256), 'Ünï çødé', ' ', 'a/b|c:d', '__proto__', 'e\u0301', '\ufeffuser'])(
    'may be %j, unchanged',
    async (sub) => {
      await expect(users.present(publishableKey(issuer), issuer.token({ sub }))).resolves.toMatchObject({ human: sub });
    },
  );

  it('is distinguished by every byte of the subject: nothing is folded or trimmed', async () => {
    const subjects = ['user', 'User', 'user ', 'us\u00e9r', 'use\u0301r', 'ｕser', 'user\u200b', 'user\u00ad'];
    const humans = await Promise.all(
      subjects.map(async (sub) => (await users.present(publishableKey(issuer), issuer.token({ sub }))).human),
    );
    expect(humans).toEqual(subjects);
  });

  it('is refused for every kind of broken token, and gets only its code', async () => {
    const told = new Map<string, unknown>();
    const broken = { ...issuer.brokenTokens(), garbage: 'garbage', dots: '..', 'four parts': `${issuer.token()}.x` };
    for (const [what, token] of Object.entries(broken))
      told.set(what, await users.refusal(publishableKey(issuer), token));
    for (const [what, error] of told) {
      expect({ what, error }).toEqual({ what, error: expect.any(RefusedCredential) as RefusedCredential });
      const { kind, code, reason, message, fields, cause } = error as RefusedCredential;
      const told = CREDENTIAL_CODES[REFUSAL_CODES[reason]];
      expect({ what, kind, code, message, fields, cause }).toEqual({
        what,
        kind: 'unauthenticated',
        code: CODE_OF[what] ?? 'invalid_credential',
        message: told.message,
        fields: [],
        cause: undefined,
      });
    }
  });

  it.each(Object.entries(REASON_OF))('is refused with the real reason in the log: %s is %s', async (what, reason) => {
    const error = await users.refusal(publishableKey(issuer), issuer.brokenTokens()[what]!);
    expect(error).toMatchObject({ reason });
  });

  it('with a token that is expired and otherwise good gets the code of an expired token', async () => {
    const over = [issuer.token({ exp: inSeconds(0) }), issuer.token({ exp: inSeconds(-4) })];
    over.push(issuer.token({ exp: inSeconds(-86_400) }), issuer.token({ exp: 0 }), issuer.token({ exp: -1 }));
    for (const token of over) {
      expect(await users.refusal(publishableKey(issuer), token)).toBeInstanceOf(ExpiredCredentialFault);
    }
  });

  it.each<[string, Record<string, unknown>, KeyWishes]>([
    ['audience', { aud: 'another-app' }, {}],
    ['issuer', { iss: 'https://issuer.example.com' }, {}],
    ['tenant', { tenant_id: 'acme-2' }, {}],
    ['subject', { sub: '' }, {}],
    ['issue time', { iat: inSeconds(600) }, {}],
    ['not-before', { nbf: inSeconds(600) }, {}],
    ['human', { sub: 'b:user-1' }, { otherHumanPrefixes: ['b:'] }],
  ])(
    'a token that is expired and also has a wrong %s does not count as merely expired',
    async (_what, claims, over) => {
      for (const exp of [inSeconds(-1), inSeconds(-3600)]) {
        const error = await users.refusal(publishableKey(issuer, over), issuer.token({ ...claims, exp }));
        expect(error).toMatchObject({ kind: 'unauthenticated' });
        expect(error).not.toBeInstanceOf(ExpiredCredentialFault);
      }
      const stranger = { ...newIssuerKey('ES256'), kid: issuer.keys[0]?.kid ?? null };
      const forged = await users.refusal(
        publishableKey(issuer),
        issuer.token({ exp: inSeconds(-3600) }, { key: stranger }),
      );
      expect(forged).not.toBeInstanceOf(ExpiredCredentialFault);
    },
  );

  it.each(['acme-2', '', 42, {}, ['acme-1'], true, 'Acme-1', 'acme-1 '])(
    'with a token that names another tenant, %j, is refused with 403',
    async (tenant) => {
      const error = await users.refusal(publishableKey(issuer), issuer.token({ tenant_id: tenant }));
      expect(error).toMatchObject({ kind: 'permission_denied' });
    },
  );

  it('has a token for one audience only, where two tenants have the same issuer', async () => {
    const shop = publishableKey(issuer, { tenantId: 'shop-1', oidc: { audience: 'shop' } });
    const forShop = issuer.token({ aud: 'shop' });
    await expect(users.present(shop, forShop)).resolves.toMatchObject({ tenantId: 'shop-1' });
    expect(await users.refusal(publishableKey(issuer), forShop)).toMatchObject({ kind: 'unauthenticated' });
    expect(await users.refusal(shop, issuer.token())).toMatchObject({ kind: 'unauthenticated' });
  });

  it('is refused beside a key that has no issuer', async () => {
    const key = publishableKey(null);
    expect(await users.refusal(key, issuer.token({ tenant_id: 'acme-1' }))).toMatchObject({
      kind: 'unauthenticated',
    });
  });
});

describe('the origin of the page', () => {
  const allowedOrigins = ['https://app.example.com', 'http://localhost:3000'];
  let issuer: UserIssuer;
  let users: EndUsers;

  beforeAll(async () => {
    issuer = await startIssuer();
    users = new EndUsers(outbound);
  });

  it.each(allowedOrigins)('may be %s, which the key names', async (origin) => {
    const key = publishableKey(issuer, { allowedOrigins });
    await expect(users.present(key, issuer.token(), origin)).resolves.toMatchObject({ origin });
  });

  it('may be absent, where no browser sent the request', async () => {
    const key = publishableKey(issuer, { allowedOrigins });
    await expect(users.present(key, issuer.token())).resolves.toMatchObject({ origin: null });
  });

  it('may be any where the key names none', async () => {
    for (const origin of ['https://evil.example', 'null']) {
      await expect(users.present(publishableKey(issuer), issuer.token(), origin)).resolves.toMatchObject({ origin });
    }
  });

  it.each([
    'https://evil.example',
    'https://app.example.com.evil.example',
    'https://evil-app.example.com',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com/',
    'https://APP.example.com',
    'http://localhost:3001',
    'null',
    '',
    'https://app.example.com, https://evil.example',
  ])('%j is refused with 403 where the key names others, a good token or not', async (origin) => {
    const key = publishableKey(issuer, { allowedOrigins });
    for (const token of [issuer.token(), 'garbage']) {
      expect(await users.refusal(key, token, origin)).toMatchObject({ kind: 'permission_denied' });
    }
  });
});

describe("a human's prefix", () => {
  let issuer: UserIssuer;
  let users: EndUsers;

  beforeAll(async () => {
    issuer = await startIssuer();
    users = new EndUsers(outbound);
  });

  const humanOf = (sub: string, humanPrefix: string, otherHumanPrefixes: string[] = []): Promise<string | null> =>
    users.present(publishableKey(issuer, { oidc: { humanPrefix }, otherHumanPrefixes }), issuer.token({ sub })).then(
      ({ human }) => human,
      (error: unknown) => {
        expect(error).toMatchObject({ kind: 'unauthenticated' });
        return null;
      },
    );

  it('is put before the subject', async () => {
    expect(await humanOf('user-1', 'b:')).toBe('b:user-1');
  });

  it('counts towards the 256 characters', async () => {
    expect(await humanOf('x'.repeat(254), 'b:')).toBe(`b:${'x'.repeat(254)}`);
    expect(await humanOf('x'.repeat(255), 'b:')).toBeNull();
    expect(await humanOf('𝔘'.repeat(254), 'b:')).toBe(`b:${'𝔘'.repeat(254)}`);
  });

  it('makes no human from an empty subject', async () => {
    expect(await humanOf('', 'b:')).toBeNull();
  });

  it("separates an issuer's users from those of other issuers, whatever their subjects", async () => {
    expect(await humanOf('b:user-1', '', ['b:'])).toBeNull();
    expect(await humanOf('b:', '', ['b:'])).toBeNull();
    expect(await humanOf('b', '', ['b:'])).toBe('b');
    expect(await humanOf('B:user-1', '', ['b:'])).toBe('B:user-1');
    expect(await humanOf('b:user-1', 'c:', ['b:'])).toBe('c:b:user-1');
  });

  it.each([
    ['a:bc', ['a:b']],
    ['a:c', ['a:']],
    ['ac', ['a']],
    ['bc', ['b']],
    ['c', ['']],
    ['a:b', []],
    ['a', []],
  ])('that is the beginning of others leaves %j to the issuer with the longest match: %j', async (human, owners) => {
    const prefixes = ['', 'a', 'a:', 'a:b', 'b'];
    const found: string[] = [];
    for (const prefix of prefixes.filter((candidate) => human.startsWith(candidate))) {
      const others = prefixes.filter((other) => other !== '' && other !== prefix);
      if ((await humanOf(human.slice(prefix.length), prefix, others)) !== null) found.push(prefix);
    }
    expect(found).toEqual(owners);
  });
});
