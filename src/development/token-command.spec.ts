import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { decodeJwt, jwtVerify, type JWTPayload } from 'jose';
import { DevelopmentClaimsWriter } from './development-claims-writer.js';
import { DevelopmentIssuer } from './development-issuer.js';
import { loadDevelopmentSecrets } from './development-secrets.js';
import { developmentDashboardIssuer } from './development.module.js';
import { tokenFor } from './token-command.js';

let home: string;

beforeEach(async () => {
  home = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-token-'));
});

afterEach(() => rm(home, { recursive: true, force: true }));

const run = (...args: string[]): Promise<string> => tokenFor(args, { mode: 'development', home, port: 3000 });

/** The claims, as a service with this home verifies them. */
async function verified(token: string): Promise<JWTPayload> {
  const { issuerKeyPem } = await loadDevelopmentSecrets(home);
  const { keys, issuer, audience } = developmentDashboardIssuer(new DevelopmentIssuer(home, issuerKeyPem));
  const { payload } = await jwtVerify(
    token,
    async ({ kid = '' }) => (await keys.find(kid, 'RS256')) ?? Promise.reject(new Error('unknown kid')),
    { issuer, audience, algorithms: ['RS256'] },
  );
  return payload;
}

describe('the token command', () => {
  it('works before the first start of the service, which then accepts its token', async () => {
    const token = await run('--user', 'dev-owner', '--email', 'a@example.com');
    const claims = await verified(token);
    expect(claims).toMatchObject({ sub: 'dev-owner', email: 'a@example.com', email_verified: true });
    expect(claims).not.toHaveProperty('tenant_id');
  });

  it('sets tenant, role and lifetime as requested', async () => {
    const token = await run('--user', 'dev-owner', '--tenant', 'acme-1', '--role', 'owner', '--expires-in', '60');
    const claims = await verified(token);
    expect(claims).toMatchObject({ tenant_id: 'acme-1', role: 'owner', exp: Number(claims['iat']) + 60 });
  });

  it('uses the remembered tenant, unless told to leave it out', async () => {
    const { issuerKeyPem } = await loadDevelopmentSecrets(home);
    const writer = new DevelopmentClaimsWriter(new DevelopmentIssuer(home, issuerKeyPem));
    await writer.setClaims('dev-owner', { tenant_id: 'acme-1', role: 'owner' });
    expect(await verified(await run('--user', 'dev-owner'))).toMatchObject({ tenant_id: 'acme-1', role: 'owner' });
    expect(await verified(await run('--user=dev-owner', '--tenant='))).not.toHaveProperty('tenant_id');
    expect(await verified(await run('--user=dev-owner', '--no-tenant'))).not.toHaveProperty('tenant_id');
  });

  it("signs for an app's user under the address that the service recorded, otherwise under the default one", async () => {
    const claims = decodeJwt(await run('--end-user', 'ann', '--expires-in', '60'));
    expect(claims).toEqual({
      iss: 'http://127.0.0.1:3000/development/end-users',
      aud: 'gatehouse-development-app',
      sub: 'ann',
      iat: expect.any(Number) as number,
      exp: Number(claims.iat) + 60,
    });
    const started = { baseUrl: 'http://127.0.0.1:4711', tenantId: 't', orgId: 'o', secretKey: 's' };
    await writeFile(path.join(home, 'quickstart.json'), JSON.stringify(started));
    expect(decodeJwt(await run('--end-user', 'ann', '--audience', 'app'))).toMatchObject({
      iss: 'http://127.0.0.1:4711/development/end-users',
      aud: 'app',
    });
    const named = decodeJwt(await run('--end-user', 'ann', '--issuer', 'http://localhost:3000/development/end-users'));
    expect(named.iss).toBe('http://localhost:3000/development/end-users');
  });

  it.each<[string, string[], RegExp]>([
    ['no user', [], /^--user is missing/],
    ['an empty user', ['--user', ''], /--user must be of 1 to 128/],
    ['a user too long', ['--user', 'x'.repeat(129)], /--user must be of 1 to 128/],
    ['an unknown flag', ['--user', 'a', '--admin'], /'--admin'/],
    ['a flag without its value', ['--user'], /'--user <value>'/],
    ['a flag whose value is the next flag', ['--user', '--tenant', 'x'], /'--user'/],
    ['a value for a flag that has none', ['--user', 'a', '--no-tenant=x'], /'--no-tenant'/],
    ['a stray argument', ['dev-owner'], /'dev-owner'/],
    ['a tenant with --no-tenant', ['--user', 'a', '--tenant', 't', '--no-tenant'], /contradict/],
    ['a person and an end user', ['--user', 'a', '--end-user', 'b'], /contradict/],
    ['a tenant of an end user', ['--end-user', 'a', '--tenant', 't'], /^--tenant belongs to --user/],
    ['an audience of a person', ['--user', 'a', '--audience', 't'], /belong to --end-user/],
    ['an empty end user', ['--end-user', ''], /--end-user must be of 1 to 256/],
    ['an empty audience', ['--end-user', 'a', '--audience', ''], /--audience must not be empty/],
    ['a life of 0', ['--user', 'a', '--expires-in', '0'], /--expires-in must be a whole number/],
    ['a life in text', ['--user', 'a', '--expires-in', '1h'], /--expires-in must be a whole number/],
    ['a life that is too long', ['--user', 'a', '--expires-in', '1e9'], /--expires-in must be a whole number/],
  ])('refuses %s in one plain sentence, and creates no secrets', async (_what, args, message) => {
    const error = await run(...args).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toMatch(/^[^\n]+\.$/);
    expect(await readdir(home)).toEqual([]);
  });

  it('refuses in production, and creates no secrets there', async () => {
    const refused = tokenFor(['--user', 'dev-owner'], { mode: 'production', home, port: 3000 });
    await expect(refused).rejects.toThrow(/^This configuration is production[^\n]+\.$/);
    expect(await readdir(home)).toEqual([]);
  });
});
