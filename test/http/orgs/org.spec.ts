import type { Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { eventually } from '../../support/eventually.js';
import { rowsWith } from '../../support/tenant-remains.js';
import { expectPlatformRefusal, fieldsOf, platformError } from '../refusals.js';
import { addEveryRole, member, newcomer, ownerOf, post } from './people.js';

let service: SharedService;
let org: Org;
let tag: string;

beforeAll(async () => {
  service = await sharedService();
});

afterAll(() => service.stop());

/** An org of its own for each test. */
beforeEach(async () => {
  tag = service.unique();
  org = await service.createOrg(`founder-${tag}`, `Org ${tag}`);
});

const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

describe('orgs/get', () => {
  it("shows the org of the token’s tenant and the caller's role in it", async () => {
    await service.addMember(org, `dev-${tag}`, 'developer');
    const answer = await post(service, member(org, `dev-${tag}`), 'orgs/get');
    expect(answer.status).toBe(200);
    expect(answer.json()).toStrictEqual({
      org: {
        id: org.orgId,
        tenantId: org.tenantId,
        name: `Org ${tag}`,
        slug: `org-${tag}`,
        createdAt: TIMESTAMP,
      },
      membership: { userId: `dev-${tag}`, role: 'developer' },
    });
  });
});

describe('orgs/list', () => {
  it('shows each person their own orgs with the role in each and the tenants, newest first, in pages', async () => {
    const user = `founder-${tag}`;
    const others: Org[] = [];
    for (let index = 0; index < 3; index += 1) {
      const other = await service.createOrg(`friend-${tag}-${index}`, `Friend ${index}`);
      await service.addMember(other, user, 'viewer');
      others.unshift(other);
    }
    await service.asUser(ownerOf(org), 'tenants/create', { name: 'Staging' });
    const first = await service.asUser<{ orgs: { id: string }[]; nextPageToken: string }>(newcomer(user), 'orgs/list', {
      page_size: 3,
    });
    const second = await service.asUser<typeof first>(ownerOf(org), 'orgs/list', { pageToken: first.nextPageToken });
    expect(first.orgs.map(({ id }) => id)).toEqual(others.map(({ orgId }) => orgId));
    expect(first.orgs[0]).toStrictEqual({
      id: others[0]!.orgId,
      name: 'Friend 2',
      slug: expect.stringMatching(/^friend-2/) as string,
      role: 'viewer',
      createdAt: TIMESTAMP,
      tenants: [{ id: others[0]!.tenantId, name: 'Friend 2' }],
    });
    expect(second).toMatchObject({
      orgs: [
        {
          id: org.orgId,
          role: 'owner',
          tenants: [{ id: org.tenantId }, { id: expect.stringMatching(/^staging-/) as string, name: 'Staging' }],
        },
      ],
      nextPageToken: '',
    });
    // The token of a page is bound to its reader.
    const stranger = await post(service, newcomer(`stranger-${tag}`), 'orgs/list', { pageToken: first.nextPageToken });
    expect(fieldsOf(platformError(stranger, 400))).toEqual(['pageToken']);
  });

  it('is empty for a user without an org', async () => {
    expect(await service.asUser(newcomer(`nobody-yet-${tag}`), 'orgs/list')).toEqual({ orgs: [], nextPageToken: '' });
  });
});

describe('orgs/update', () => {
  it('changes the named fields; the others, such as the tenants’ ids, stay', async () => {
    const renamed = await service.asUser(ownerOf(org), 'orgs/update', { name: 'Renamed' });
    expect(renamed).toMatchObject({
      org: { id: org.orgId, tenantId: org.tenantId, name: 'Renamed', slug: `org-${tag}` },
    });
    const slug = `renamed-${tag}`;
    const moved = await service.asUser(ownerOf(org), 'orgs/update', { slug });
    expect(moved).toMatchObject({ org: { name: 'Renamed', slug } });
    expect(await service.asUser(ownerOf(org), 'orgs/update')).toEqual(moved);
    expect(await service.sql('SELECT id FROM tenants WHERE org_id = $1', [org.orgId])).toEqual([{ id: org.tenantId }]);
  });

  it('refuses a slug that another org has with 409, and changes nothing', async () => {
    const other = await service.createOrg(`other-${tag}`, `Taken ${tag}`);
    const body = { name: 'Renamed', slug: `taken-${tag}` };
    const refusal = await expectPlatformRefusal(service, () => post(service, ownerOf(org), 'orgs/update', body), 409);
    expect(fieldsOf(refusal)).toEqual(['slug']);
    expect(
      await service.sql('SELECT name FROM orgs WHERE id = ANY ($1) ORDER BY created_at', [[org.orgId, other.orgId]]),
    ).toEqual([{ name: `Org ${tag}` }, { name: `Taken ${tag}` }]);
    expect((await post(service, ownerOf(org), 'orgs/update', { slug: `org-${tag}` })).status).toBe(200);
  });

  it('gives a slug that several orgs request at once to one of them', async () => {
    const orgs = [org, await service.createOrg(`a-${tag}`), await service.createOrg(`b-${tag}`)];
    const slug = `wanted-${tag}`;
    const answers = await Promise.all(orgs.map((one) => post(service, ownerOf(one), 'orgs/update', { slug })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  });
});

describe('orgs/delete', () => {
  it('deletes the org where its name is typed exactly: tenants, keys, people and invitations', async () => {
    const people = await addEveryRole(service, org);
    const { key } = await service.createKey(org);
    await service.asUser(people.owner, 'orgs/invite-member', { email: 'guest@example.com', role: 'admin' });
    const wrong = await expectPlatformRefusal(
      service,
      () => post(service, people.owner, 'orgs/delete', { name: `org ${tag}` }),
      400,
    );
    expect(fieldsOf(wrong)).toEqual(['name']);

    const answer = await post(service, people.owner, 'orgs/delete', { name: `Org ${tag}` });
    expect([answer.status, answer.json()]).toEqual([200, {}]);

    for (const person of Object.values(people)) {
      await eventually(async () => (await post(service, person, 'orgs/get')).status === 403);
      expect(await service.asUser(person, 'orgs/list')).toMatchObject({ orgs: [] });
    }
    await eventually(
      async () => (await service.call('GET', '/v1/models', { headers: { 'x-api-key': key } })).status === 401,
    );
    const remains = await rowsWith(service.database.superuserUrl, [org.orgId]);
    expect(Object.keys(remains)).toEqual(['audit_events']);
    expect(remains['audit_events']).toMatchObject([
      { action: 'tenant.deleted', resource_id: org.tenantId, actor_id: null },
    ]);
  });

  it('removes the claims of its members, and leaves their other claims', async () => {
    const user = `founder-${tag}`;
    (service.claims as Map<string, Record<string, unknown>>).set(user, {
      ...service.claims.get(user),
      plan: 'gold',
    });
    await service.asUser(ownerOf(org), 'orgs/delete', { name: `Org ${tag}` });
    await service.sql('UPDATE claim_writes SET next_attempt_at = now()');
    await eventually(() => expect(service.claims.get(user)).toEqual({ plan: 'gold' }));
  });

  it('lets its founder make another of the same name and slug', async () => {
    await service.asUser(ownerOf(org), 'orgs/delete', { name: `Org ${tag}` });
    const again = await service.createOrg(`founder-${tag}`, `Org ${tag}`);
    expect(again.orgId).not.toBe(org.orgId);
    expect(await service.asUser(ownerOf(again), 'orgs/get')).toMatchObject({ org: { slug: `org-${tag}` } });
  });
});

describe('orgs/create with an Idempotency-Key', () => {
  const create = (user: string, key: string, name = 'Once') =>
    post(service, newcomer(user), 'orgs/create', { name }, { 'idempotency-key': key });

  it('is made once, and a repeat says that it is one', async () => {
    const user = `once-${tag}`;
    const [first, ...repeats] = [await create(user, 'k'), await create(user, 'k'), await create(user, 'k')];
    expect(first.headers['x-gatehouse-idempotent-replay']).toBeUndefined();
    expect(first.json()).not.toHaveProperty('notice');
    for (const repeat of repeats) {
      expect(repeat.status).toBe(200);
      expect(repeat.headers['x-gatehouse-idempotent-replay']).toBe('true');
      const { notice, ...rest } = repeat.json();
      expect(notice).toMatch(/\w/);
      expect(rest).toEqual(first.json());
    }
    expect(await service.sql('SELECT 1 FROM orgs WHERE created_by = $1', [user])).toHaveLength(1);
  });

  it('is refused with 409 for another request of the same key; another person’s key is independent', async () => {
    const user = `twice-${tag}`;
    expect((await create(user, 'k')).status).toBe(200);
    await expectPlatformRefusal(service, () => create(user, 'k', 'Another'), 409);
    expect((await create(`${user}-b`, 'k', 'Another')).status).toBe(200);
  });
});
