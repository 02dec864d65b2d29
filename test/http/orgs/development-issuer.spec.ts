import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { startServiceProcess, type Answer, type ServiceProcess } from '../../support/service.js';

let service: ServiceProcess;
const env = {
  GATEHOUSE_DEV: '1',
  GATEHOUSE_PEPPERS: undefined,
  GATEHOUSE_ENCRYPTION_KEYS: undefined,
  GATEHOUSE_SIGNING_KEYS: undefined,
  FIREBASE_PROJECT_ID: undefined,
};

beforeAll(async () => {
  service = await startServiceProcess({ env });
});

afterAll(() => service.stop());

/** The command that a person types to sign in. */
function token(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [path.resolve('bin/gatehouse.mjs'), 'token', ...args],
    {
      cwd: service.process.folder,
      env: { PATH: process.env['PATH'], GATEHOUSE_DEV: '1', DATABASE_URL: service.database.ownerUrl },
      encoding: 'utf8',
    },
  );
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  return stdout.trim();
}

const post = (route: string, signedIn: string, body: object = {}): Promise<Answer> =>
  service.call('POST', `/api/v1/${route}`, { headers: { authorization: `Bearer ${signedIn}` }, body });

const claimsOf = (signedIn: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(signedIn.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;

describe('the development issuer', () => {
  it('remembers the claims of a first org: the next token opens its tenant', async () => {
    const first = token('--user', 'ada', '--email', 'ada@example.com');
    expect(claimsOf(first)).not.toHaveProperty('tenant_id');
    expect((await post('api-keys/list', first)).status).toBe(403);

    const created = await post('orgs/create', first, { name: 'Ada & Co' });
    expect(created.status).toBe(200);
    const { org } = created.json<{ org: { tenantId: string } }>();

    const next = token('--user', 'ada');
    expect(claimsOf(next)).toMatchObject({ sub: 'ada', tenant_id: org.tenantId, role: 'owner' });
    expect((await post('api-keys/list', next)).status).toBe(200);
    // Claims are a hint: the same person's older token still has no tenant.
    expect((await post('api-keys/list', first)).status).toBe(403);
    expect((await post('orgs/create', next, { name: 'Ada & Co' })).status).toBe(409);
  });

  it('does not grant what needs a membership, whatever a token claims', async () => {
    const { tenantId } = (await post('orgs/create', token('--user', 'grace'), { name: 'Grace' })).json<{
      org: { tenantId: string };
    }>().org;
    const stranger = token('--user', 'mallory', '--tenant', tenantId, '--role', 'owner');
    expect(claimsOf(stranger)).toMatchObject({ tenant_id: tenantId, role: 'owner' });
    expect((await post('api-keys/list', stranger)).status).toBe(403);
  });
});
