import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { generateKeyPairSync } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { createLocalJWKSet, jwtVerify, type JWTPayload } from 'jose';
import { DevelopmentClaimsWriter } from './development-claims-writer.js';
import { DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, DevelopmentIssuer } from './development-issuer.js';

const PEM = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const CLAIMS = { tenant_id: 'acme-1', role: 'owner' };

let home: string;
let issuer: DevelopmentIssuer;
let writer: DevelopmentClaimsWriter;

beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-issuer-'));
  issuer = new DevelopmentIssuer(home, PEM);
  writer = new DevelopmentClaimsWriter(issuer);
});

afterEach(() => rm(home, { recursive: true, force: true }));

async function verified(token: string): Promise<JWTPayload> {
  const keys = createLocalJWKSet({ keys: issuer.jwks().keys.map((jwk) => ({ ...jwk })) });
  const options = { issuer: DEVELOPMENT_ISSUER, audience: DEVELOPMENT_AUDIENCE, algorithms: ['RS256'] };
  return (await jwtVerify(token, keys, options)).payload;
}

describe('the development issuer', () => {
  it('has a name that no issuer on the web can have', () => {
    expect(new URL(DEVELOPMENT_ISSUER).protocol).toBe('urn:');
  });

  it('signs tokens that verify by its JWKS and have the form of a Firebase ID token', async () => {
    const before = Math.floor(Date.now() / 1000);
    const payload = await verified(await issuer.issue({ userId: 'dev-owner', email: 'a@example.com' }));
    expect(payload).toEqual({
      iss: DEVELOPMENT_ISSUER,
      aud: DEVELOPMENT_AUDIENCE,
      sub: 'dev-owner',
      user_id: 'dev-owner',
      iat: payload.iat,
      auth_time: payload.iat,
      exp: (payload.iat ?? 0) + 3600,
      email: 'a@example.com',
      email_verified: true,
      firebase: { identities: { email: ['a@example.com'] }, sign_in_provider: 'custom' },
    });
    expect(payload.iat).toBeGreaterThanOrEqual(before);
  });

  it('publishes no private member', () => {
    expect(Object.keys(issuer.jwks().keys[0] ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it('puts remembered claims into tokens, also from another process with the same home', async () => {
    await writer.setClaims('dev-owner', CLAIMS);
    const elsewhere = new DevelopmentIssuer(home, PEM);
    expect(await verified(await elsewhere.issue({ userId: 'dev-owner' }))).toMatchObject(CLAIMS);
    expect(await verified(await elsewhere.issue({ userId: 'somebody-else' }))).not.toHaveProperty('tenant_id');
  });

  it('prefers requested claims to remembered ones', async () => {
    await writer.setClaims('dev-owner', CLAIMS);
    const told = await verified(await issuer.issue({ userId: 'dev-owner', tenantId: 'acme-2', role: 'viewer' }));
    expect(told).toMatchObject({ tenant_id: 'acme-2', role: 'viewer' });
    const none = await verified(await issuer.issue({ userId: 'dev-owner', tenantId: null }));
    expect(none).not.toHaveProperty('tenant_id');
    expect(none).not.toHaveProperty('role');
    expect(await issuer.claimsOf('dev-owner')).toEqual(CLAIMS);
  });

  it('lets no remembered claim replace issuer, audience or expiry', async () => {
    await issuer.changeClaims('dev-owner', () => ({ sub: 'root', iss: 'x', aud: 'x', exp: 9e9, plan: 'gold' }));
    const payload = await verified(await issuer.issue({ userId: 'dev-owner', expiresInSeconds: 60 }));
    expect(payload).toMatchObject({ sub: 'dev-owner', plan: 'gold', exp: (payload.iat ?? 0) + 60 });
  });
});

describe('remembered claims', () => {
  it('are merged with existing ones, and removed one by one', async () => {
    await issuer.changeClaims('dev-owner', () => ({ plan: 'x' }));
    await writer.setClaims('dev-owner', CLAIMS);
    expect(await issuer.claimsOf('dev-owner')).toEqual({ plan: 'x', ...CLAIMS });
    await writer.setClaims('dev-owner', null);
    expect(await issuer.claimsOf('dev-owner')).toEqual({ plan: 'x' });
  });

  it('are all kept when many are set at once', async () => {
    await Promise.all(Array.from({ length: 30 }, (_, i) => writer.setClaims(`user-${i}`, CLAIMS)));
    for (let i = 0; i < 30; i += 1) expect(await issuer.claimsOf(`user-${i}`)).toEqual(CLAIMS);
  });

  it.each([['__proto__'], ['constructor'], ['toString']])('accept a user called %s like any other', async (userId) => {
    expect(await issuer.claimsOf(userId)).toEqual({});
    await writer.setClaims(userId, CLAIMS);
    expect(await issuer.claimsOf(userId)).toEqual(CLAIMS);
    expect(await issuer.claimsOf('dev-owner')).toEqual({});
  });

  it('are in one file that only its owner can read', async () => {
    await writer.setClaims('dev-owner', CLAIMS);
    expect(await readdir(home)).toEqual(['claims.json']);
    expect((await stat(path.join(home, 'claims.json'))).mode & 0o777).toBe(0o600);
  });

  it('are not overwritten where the file is damaged, and a later write still works', async () => {
    const file = path.join(home, 'claims.json');
    await writeFile(file, '{"dev-owner":');
    await expect(writer.setClaims('dev-owner', CLAIMS)).rejects.toThrow(/claims\.json does not hold/);
    expect(await readFile(file, 'utf8')).toBe('{"dev-owner":');
    await rm(file);
    await writer.setClaims('dev-owner', CLAIMS);
    expect(await issuer.claimsOf('dev-owner')).toEqual(CLAIMS);
  });
});
