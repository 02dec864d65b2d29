/** Which ID tokens are accepted, over real HTTP: every mistake is 401, answered alike. */
import { eventually } from '../../support/eventually.js';
import { startService, type Org, type TestService } from '../../support/service.js';

let service: TestService;
let org: Org;
/** The time when the service first fetched the issuer's keys. */
let keysAskedAt = 0;

beforeAll(async () => {
  service = await startService({ settings: { failedAuthenticationsPerMinute: 1_000_000 } });
  keysAskedAt = performance.now();
  org = await service.createOrg('founder');
});

afterAll(() => service.stop());

const claimsOfOwner = (): Record<string, unknown> => ({ sub: org.user, user_id: org.user, tenant_id: org.tenantId });
const sign = (overrides: Readonly<Record<string, unknown>> = {}): string =>
  service.issuer.sign({ ...claimsOfOwner(), ...overrides });

/** Texts that can't be read as an issuer's token. */
const NO_TOKENS = [
  'claims that are no JSON',
  'claims that are null',
  'garbage',
  'header that is no JSON',
  'header that is null',
  'no iss',
  'three parts of garbage',
];

async function answerTo(token: string): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${token}`, 'x-request-id': 'the-same' };
  const { status, text } = await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} });
  return { status, text };
}

const statusOf = async (token: string): Promise<number> => (await answerTo(token)).status;

/** Mistakes beyond those that every issuer's tokens can have (TestIssuer.brokenTokens). */
function wrongForFirebase(): Record<string, string> {
  const now = Math.floor(Date.now() / 1000);
  const { audience } = service.issuer;
  return {
    "the project's number for its id": sign({ aud: '123456789012' }),
    'iss of a session cookie': sign({ iss: `https://session.firebase.google.com/${audience}` }),
    'iss without https': sign({ iss: `securetoken.google.com/${audience}` }),
    'iss with a slash behind': sign({ iss: `https://securetoken.google.com/${audience}/` }),
    'iss in capitals': sign({ iss: `https://securetoken.google.com/${audience.toUpperCase()}` }),
    'iat that is text': sign({ iat: String(now) }),
    'iat null': sign({ iat: null }),
    'iat that is a list': sign({ iat: [now] }),
    'iat in milliseconds': sign({ iat: now * 1000 }),
    'auth_time null': sign({ auth_time: null }),
    'auth_time true': sign({ auth_time: true }),
    'auth_time that is a list': sign({ auth_time: [now - 60] }),
    'auth_time in milliseconds': sign({ auth_time: now * 1000 }),
    'auth_time just ahead of any clock': sign({ auth_time: now + 60 }),
    'exp 0': sign({ exp: 0 }),
    'exp this second': sign({ exp: now }),
    'exp that is a list': sign({ exp: [now + 3600] }),
    'sub null': sign({ sub: null }),
    'sub that is a list': sign({ sub: [org.user] }),
  };
}

describe("ID tokens (against a local stand-in for Google's endpoints)", () => {
  it('a valid one is accepted', async () => {
    expect(await statusOf(sign())).toBe(200);
  });

  it('every broken one is 401 without a look-up of its user; the answers differ only by what the token itself shows', async () => {
    const asked = service.google.lookUps.length;
    const broken = { ...service.issuer.brokenTokens(claimsOfOwner()), ...wrongForFirebase() };
    const answers: Record<string, { status: number; text: string }> = {};
    for (const [what, token] of Object.entries(broken)) answers[what] = await answerTo(token);
    // The sender may learn what the token itself shows: that it has expired, or is malformed.
    const codes: Record<string, string[]> = {};
    const texts = new Set<string>();
    for (const [what, { status, text }] of Object.entries(answers)) {
      expect(status).toBe(401);
      texts.add(text);
      const { error } = JSON.parse(text) as { error: { details: { reason: string }[] } };
      (codes[error.details[0]!.reason] ??= []).push(what);
    }
    expect(codes['expired_token']?.sort()).toEqual(['exp 0', 'exp this second', 'expired']);
    expect(codes['malformed_credential']?.sort()).toEqual(NO_TOKENS);
    // All others have the same text.
    expect(Object.keys(codes)).toHaveLength(3);
    expect(texts.size).toBe(3);
    for (const what of ['HS256 with the public key as secret', 'alg none', 'unknown kid', 'wrong aud', 'wrong iss'])
      expect(broken).toHaveProperty([what]);
    for (const what of ['empty sub', 'no exp', 'expired', 'iat in the future', 'auth_time in the future'])
      expect(broken).toHaveProperty([what]);
    expect(service.google.lookUps).toHaveLength(asked);
    expect(await statusOf(sign())).toBe(200);
  });

  it('it is refused from its second of expiry on', async () => {
    const now = Math.floor(Date.now() / 1000);
    const token = sign({ exp: now + 2 });
    expect(await statusOf(token)).toBe(200);
    await eventually(async () => expect(await statusOf(token)).toBe(401));
  });

  it('during a rotation, tokens of the old key are accepted, and those of the new key soon are', async () => {
    const old = sign();
    service.issuer.rotate();
    const asked = service.issuer.jwksRequests;
    // An unknown kid makes us fetch the keys at most every 30 s: invented ones must not overload the issuer.
    await eventually(async () => expect(await statusOf(sign())).toBe(200), 40_000 - (performance.now() - keysAskedAt));
    expect(await statusOf(old)).toBe(200);
    expect(service.issuer.jwksRequests).toBe(asked + 1);
    expect(await statusOf(service.issuer.sign(claimsOfOwner(), { kid: 'another' }))).toBe(401);
    expect(service.issuer.jwksRequests).toBe(asked + 1);
  }, 60_000);
});
