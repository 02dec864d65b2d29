import { eventually } from '../../support/eventually.js';
import type { Answer, Identity } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { rowCounts } from '../ledger.js';
import { expectPlatformRefusal, fieldsOf } from '../refusals.js';

let service: SharedService;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

/** A user who is new to the service. */
function newUser(): string {
  return `newcomer-${service.unique()}`;
}

function create(identity: Identity, body: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${service.dashboardToken(identity)}` };
  return service.call('POST', '/api/v1/orgs/create', { headers, body });
}

describe('the first org', () => {
  it('is answered in exactly the published shape', async () => {
    const user = newUser();
    const answer = await create({ user }, { name: 'Acme', slug: 'acme' });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.json()).toStrictEqual({
      org: {
        id: expect.stringMatching(/^\S+$/) as string,
        tenantId: expect.stringMatching(/^acme-[a-z0-9]{6}$/) as string,
        name: 'Acme',
        slug: 'acme',
        createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as string,
      },
      membership: { userId: user, role: 'owner' },
    });
  });

  it('gets a slug from its name where none is given, and another one where that is taken', async () => {
    const slugOf = async (body: object): Promise<string> => {
      const answer = await create({ user: newUser() }, body);
      expect(answer.status).toBe(200);
      return answer.json<{ org: { slug: string } }>().org.slug;
    };
    expect(await slugOf({ name: '  Größe & Söhne!  ' })).toBe('gro-e-so-hne');
    expect(await slugOf({ name: 'Twins', slug: null })).toBe('twins');
    expect(await slugOf({ name: 'Twins', slug: '' })).toMatch(/^twins-[a-z0-9]{6}$/);
    expect(await slugOf({ name: '日本' })).toMatch(/^[a-z0-9-]{2,}$/);
  });

  it('is stored together with its tenant and its owner, all or none', async () => {
    const user = newUser();
    const { org } = (await create({ user, claims: { email: 'Ada@Example.com' } }, { name: 'Whole' })).json<{
      org: { id: string; tenantId: string };
    }>();
    expect(await service.sql('SELECT id, org_id FROM tenants WHERE org_id = $1', [org.id])).toEqual([
      { id: org.tenantId, org_id: org.id },
    ]);
    expect(await service.sql('SELECT user_id, role FROM memberships WHERE org_id = $1', [org.id])).toEqual([
      { user_id: user, role: 'owner' },
    ]);
  });

  it('is sent to the issuer as claims, merged with existing ones', async () => {
    const user = newUser();
    (service.claims as Map<string, Record<string, unknown>>).set(user, { plan: 'gold' });
    const { org } = (await create({ user }, { name: 'Claimed' })).json<{ org: { tenantId: string } }>();
    expect(service.claims.get(user)).toEqual({ plan: 'gold', tenant_id: org.tenantId, role: 'owner' });
    await eventually(async () => (await service.sql('SELECT 1 FROM claim_writes')).length === 0);
  });

  it('opens its tenant at once to a token with the claim', async () => {
    const org = await service.createOrg(newUser());
    expect(await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/list')).toEqual({
      apiKeys: [],
      nextPageToken: '',
    });
  });
});

describe('a repeated request', () => {
  it('with the same name and still no claim gets the same org, and the claims are set again', async () => {
    const user = newUser();
    const first = await create({ user }, { name: 'Again' });
    (service.claims as Map<string, Record<string, unknown>>).delete(user);
    const before = await rowCounts(service);
    const second = await create({ user }, { name: 'Again' });
    expect(second.status).toBe(200);
    expect(second.json()).toEqual(first.json());
    expect(service.claims.get(user)).toEqual({
      tenant_id: first.json<{ org: { tenantId: string } }>().org.tenantId,
      role: 'owner',
    });
    await eventually(async () => expect(await rowCounts(service)).toEqual(before));
  });

  it('of a hundred simultaneous ones makes one org', async () => {
    const user = newUser();
    const createPatiently = async (): Promise<Answer> => {
      for (;;) {
        const answer = await create({ user }, { name: 'Hasty' });
        // On a busy machine the last in line are told to come again.
        if (answer.status !== 429) return answer;
      }
    };
    const answers = await Promise.all(Array.from({ length: 100 }, createPatiently));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await service.sql('SELECT 1 FROM orgs WHERE created_by = $1', [user])).toHaveLength(1);
  });

  it('with several names at once makes one org and refuses the other names', async () => {
    const user = newUser();
    const names = Array.from({ length: 12 }, (_, index) => `Name ${index}`);
    const answers = await Promise.all(names.map((name) => create({ user }, { name })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(11).fill(409)]);
    expect(await service.sql('SELECT 1 FROM orgs WHERE created_by = $1', [user])).toHaveLength(1);
  });

  it.each([
    ['with another name', 'Other', false],
    ['with the same name and a claim', 'Mine', true],
    ['with another name and a claim', 'Other', true],
  ])('%s is 409, and writes nothing', async (_how, name, claimed) => {
    const org = await service.createOrg(newUser(), 'Mine');
    const identity = { user: org.user, ...(claimed ? { tenant: org.tenantId } : {}) };
    await expectPlatformRefusal(service, () => create(identity, { name }), 409);
  });

  it('for a slug of another org is 409, names the slug, and leaves nothing behind', async () => {
    await create({ user: newUser() }, { name: 'First', slug: 'first-come' });
    const user = newUser();
    const second = { name: 'Second', slug: 'first-come' };
    const refusal = await expectPlatformRefusal(service, () => create({ user }, second), 409);
    expect(fieldsOf(refusal)).toEqual(['slug']);
    expect(await service.sql('SELECT 1 FROM users WHERE id = $1', [user])).toEqual([]);
    expect(service.claims.has(user)).toBe(false);
    expect((await create({ user }, { name: 'Second' })).status).toBe(200);
  });
});

describe('other callers', () => {
  it('an API key is refused with 403', async () => {
    const { key } = await service.createKey(await service.createOrg(newUser()));
    const call = { headers: { 'x-api-key': key }, body: { name: 'By key' } };
    await expectPlatformRefusal(service, () => service.call('POST', '/api/v1/orgs/create', call), 403);
  });

  it('a request without a credential is refused with 401', async () => {
    const answer = await service.call('POST', '/api/v1/orgs/create', { body: { name: 'By nobody' } });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.json()).toMatchObject({ error: { code: 401, status: 'UNAUTHENTICATED' } });
  });

  it('a claim to a tenant without a membership there does not keep a user from a first org of their own', async () => {
    const stranger = await service.createOrg(newUser());
    const answer = await create({ user: newUser(), tenant: stranger.tenantId, role: 'owner' }, { name: 'Own' });
    expect(answer.status).toBe(200);
    expect(answer.json<{ org: { tenantId: string } }>().org.tenantId).not.toBe(stranger.tenantId);
  });
});

describe('a token without a tenant, or for one where it has no membership', () => {
  it.each([
    'POST /api/v1/api-keys/create',
    'POST /api/v1/api-keys/list',
    'POST /api/v1/api-keys/get',
    'POST /api/v1/api-keys/update',
    'POST /api/v1/api-keys/revoke',
    'POST /v1/chat/completions',
    'GET /v1/models',
    'GET /v1/models/gpt-4o-mini',
  ])('is refused with 403 at %s, whatever it claims', async (route) => {
    const { tenantId } = await service.createOrg(newUser());
    const [method, path] = route.split(' ') as [string, string];
    const before = await rowCounts(service);
    for (const identity of [
      { user: newUser(), role: 'owner' },
      { user: newUser(), tenant: tenantId, role: 'owner' },
    ]) {
      const headers = { authorization: `Bearer ${service.dashboardToken(identity)}` };
      const answer = await service.call(method, path, { headers, ...(method === 'POST' ? { body: '{}' } : {}) });
      expect(answer.status).toBe(403);
    }
    expect(await rowCounts(service)).toEqual(before);
    expect(service.upstream.requests).toEqual([]);
  });
});

describe('bad input is 400, names the field, and writes nothing', () => {
  const long = 'x'.repeat(101);
  it.each<[string, unknown, string]>([
    ['no name', {}, 'name'],
    ['no body', '', 'name'],
    ['a null name', { name: null }, 'name'],
    ['an empty name', { name: '' }, 'name'],
    ['a name that is a number', { name: 7 }, 'name'],
    ['a name that is a list', { name: ['Acme'] }, 'name'],
    ['a name of 101 characters', { name: long }, 'name'],
    ['a name with U+0000', { name: 'Ac\0me' }, 'name'],
    ['a name with half a surrogate pair', '{"name":"Ac\\ud800me"}', 'name'],
    ['a slug with capitals', { name: 'Acme', slug: 'Acme' }, 'slug'],
    ['a slug of one letter', { name: 'Acme', slug: 'a' }, 'slug'],
    ['a slug with two hyphens in a row', { name: 'Acme', slug: 'a--b' }, 'slug'],
    ['a slug that ends with a line break', { name: 'Acme', slug: 'acme\n' }, 'slug'],
    ['a slug of 49 letters', { name: 'Acme', slug: 'a'.repeat(49) }, 'slug'],
    ['a slug that is true', { name: 'Acme', slug: true }, 'slug'],
    ['an unknown field', { name: 'Acme', colour: 'red' }, 'colour'],
    ['an unknown field in snake case', { name: 'Acme', display_name: 'A' }, 'displayName'],
    ['another tenant', { name: 'Acme', tenantId: 'other-a1b2c3' }, 'tenantId'],
    ['the prototype', '{"name":"Acme","__proto__":{"role":"owner"}}', '__proto__'],
    ['a name that stands twice', '{"name":"Acme","name":"Other"}', 'name'],
    ['a name that stands twice, once escaped', '{"name":"Acme","n\\u0061me":"Other"}', 'name'],
  ])('%s', async (_what, body, field) => {
    const user = newUser();
    const refusal = await expectPlatformRefusal(service, () => create({ user }, body), 400);
    expect(fieldsOf(refusal)).toEqual([field]);
    expect(service.claims.has(user)).toBe(false);
  });

  it.each(['{', 'null', '[]', '"Acme"', '{"name":"Acme"', "{'name':'Acme'}", '\ufeff'])(
    'a body that is not an object: %j',
    async (body) => {
      await expectPlatformRefusal(service, () => create({ user: newUser() }, body), 400);
    },
  );

  it('two wrong fields are both named', async () => {
    const body = { name: 5, slug: 'NO' };
    expect(fieldsOf(await expectPlatformRefusal(service, () => create({ user: newUser() }, body), 400))).toEqual([
      'name',
      'slug',
    ]);
  });
});
