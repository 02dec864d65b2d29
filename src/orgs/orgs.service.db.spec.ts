import { eventually } from '../../test/support/eventually.js';
import { RecordingClaimsWriter } from '../../test/support/claims.js';
import { createTestDatabase, type TestDatabase } from '../../test/support/postgres.js';
import { dump, rowsOf } from '../../test/support/sql.js';
import { dashboardUser, startTenancy, type Tenancy } from '../../test/support/tenancy.js';
import { Fault } from '../platform/errors/index.js';
import { SLUG } from './orgs.dto.js';
import type { CreatedOrg } from './orgs.repository.js';
import type { OrgFounder } from './org-founding.js';

let test: TestDatabase;
/** Two replicas. */
let replicas: Tenancy[];
let issuer: RecordingClaimsWriter;

beforeEach(async () => {
  test = await createTestDatabase();
  issuer = new RecordingClaimsWriter();
  replicas = [0, 1].map(() => startTenancy(test.ownerUrl, issuer));
});

afterEach(async () => {
  await Promise.all(replicas.map((replica) => replica.stop()));
  await test.drop();
});

const founder = (userId: string, changes: Partial<OrgFounder> = {}): OrgFounder => ({
  userId,
  email: `${userId}@example.org`,
  hasTenant: false,
  ...changes,
});

const create = (userId: string, name: string, slug = '', changes: Partial<OrgFounder> = {}): Promise<CreatedOrg> =>
  replicas[Math.floor(Math.random() * 2)]!.orgs.create(founder(userId, changes), { name, slug });

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

/** The org and tenant for tokens without a credential always exist. */
const MADE: Readonly<Record<string, string>> = {
  orgs: "orgs WHERE id <> 'org_anonymous'",
  tenants: "tenants WHERE org_id <> 'org_anonymous'",
};
const count = async (table: string): Promise<number> =>
  (await rowsOf(test.superuserUrl, `SELECT 1 FROM ${MADE[table] ?? table}`)).length;
const counts = async (): Promise<number[]> =>
  Promise.all(['users', 'orgs', 'tenants', 'memberships', 'claim_writes'].map((table) => count(table)));

describe('the first org', () => {
  it('is created with its tenant and its owner, and the issuer gets the claims', async () => {
    const created = await create('ann', 'Acme', 'acme');
    expect(created).toMatchObject({ result: 'created', name: 'Acme', slug: 'acme', role: 'owner' });
    expect(created.tenant_id).toMatch(/^acme-[a-z0-9]{6}$/);
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
    expect(await rowsOf(test.superuserUrl, 'SELECT org_id, user_id, role FROM memberships')).toEqual([
      { org_id: created.org_id, user_id: 'ann', role: 'owner' },
    ]);
    expect(await rowsOf(test.superuserUrl, `SELECT id, org_id FROM ${MADE['tenants']}`)).toEqual([
      { id: created.tenant_id, org_id: created.org_id },
    ]);
    expect(await rowsOf(test.superuserUrl, 'SELECT id, email FROM users')).toEqual([
      { id: 'ann', email: 'ann@example.org' },
    ]);
    expect(issuer.written).toEqual([['ann', { tenant_id: created.tenant_id, role: 'owner' }]]);
  });

  it('is one for 20 simultaneous calls of one user, and each call returns it', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => create('ann', 'Acme')));
    expect(new Set(answers.map(({ org_id, tenant_id, slug }) => `${org_id} ${tenant_id} ${slug}`)).size).toBe(1);
    expect(answers.filter(({ result }) => result === 'created')).toHaveLength(1);
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
  });

  it('is one for 20 simultaneous calls of one user with different names: the others get an error', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => create('ann', `Acme ${index}`)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers)
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ kind: 'already_exists' });
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
  });

  it('of many simultaneous users is one each, and no two share a slug', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, (_, index) => create(`user-${index}`, 'Acme')));
    expect(new Set(answers.map(({ slug }) => slug)).size).toBe(5);
    expect(new Set(answers.map(({ tenant_id }) => tenant_id)).size).toBe(5);
    expect(await counts()).toEqual([5, 5, 5, 5, 0]);
  });
});

describe('a repeat by a caller who lost the answer', () => {
  it('returns the same org and sends the claims again', async () => {
    const first = await create('ann', 'Acme');
    issuer.written.length = 0;
    const again = await create('ann', 'Acme');
    expect(again).toEqual({ ...first, result: 'repeated' });
    expect(issuer.written).toEqual([['ann', { tenant_id: first.tenant_id, role: 'owner' }]]);
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
  });

  it('returns the same org although another slug is requested', async () => {
    const first = await create('ann', 'Acme', 'acme');
    expect(await create('ann', 'Acme', 'other')).toMatchObject({ result: 'repeated', slug: first.slug });
  });

  it('queues the claims again where the issuer is down', async () => {
    issuer.act = () => Promise.reject(new Error('away'));
    await create('ann', 'Acme');
    const [first] = await rowsOf(test.superuserUrl, 'SELECT id FROM claim_writes');
    await create('ann', 'Acme');
    const queued = await rowsOf(test.superuserUrl, 'SELECT id FROM claim_writes');
    expect(queued).toHaveLength(1);
    expect(queued).not.toEqual([first]);
  });

  it("sends the user's current role, not the founder's", async () => {
    await create('ann', 'Acme');
    await rowsOf(test.superuserUrl, "UPDATE memberships SET role = 'viewer'");
    expect(await create('ann', 'Acme')).toMatchObject({ role: 'viewer' });
    expect(issuer.written.at(-1)).toEqual(['ann', expect.objectContaining({ role: 'viewer' })]);
  });
});

describe('a second org', () => {
  it.each<[string, string, Partial<OrgFounder>]>([
    ['of another name', 'Globex', {}],
    ['of the same name in another case', 'ACME', {}],
    ['of the same name by a token that has a tenant', 'Acme', { hasTenant: true }],
  ])('is 409, and nothing is written: %s', async (_case, name, changes) => {
    await create('ann', 'Acme');
    const before = await dump(test.superuserUrl);
    issuer.written.length = 0;
    expect((await refusal(create('ann', name, '', changes))).kind).toBe('already_exists');
    expect(await dump(test.superuserUrl)).toBe(before);
    expect(issuer.written).toEqual([]);
  });

  it('is 409 for a member of another user’s org, of the same name too', async () => {
    const { org_id } = await create('ann', 'Acme');
    await rowsOf(test.superuserUrl, "INSERT INTO users (id) VALUES ('bob')");
    await rowsOf(test.superuserUrl, "INSERT INTO memberships (org_id, user_id, role) VALUES ($1, 'bob', 'developer')", [
      org_id,
    ]);
    for (const name of ['Acme', 'Bobs']) expect((await refusal(create('bob', name))).kind).toBe('already_exists');
    expect(await count('orgs')).toBe(1);
  });
});

describe('a slug', () => {
  it('that is taken is 409 naming it, and nothing is written', async () => {
    await create('ann', 'Acme', 'acme');
    const before = await dump(test.superuserUrl);
    const fault = await refusal(create('bob', 'Other', 'acme'));
    expect(fault).toMatchObject({ kind: 'already_exists', fields: [{ field: 'slug' }] });
    expect(await dump(test.superuserUrl)).toBe(before);
  });

  it('that two users request at once goes to one of them', async () => {
    const answers = await Promise.allSettled(['ann', 'bob', 'cid'].map((user) => create(user, user, 'acme')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
  });

  it('that the caller did not name is made from the name, with a suffix where that is taken', async () => {
    expect((await create('ann', 'Ärger & Söhne GmbH')).slug).toMatch(/^a-?rger-so-?hne-gmbh$/);
    const first = await create('bob', 'Acme');
    const second = await create('cid', 'Acme');
    expect([first.slug, second.slug]).toEqual(['acme', expect.stringMatching(/^acme-[a-z0-9]{6}$/)]);
  });

  it.each(['日本語', '!!!', 'a', '-', '😀', 'x'.repeat(100), `${'ab-'.repeat(33)}x`, 'A--B', ' leading', 'ﬁne'])(
    'of the name %j is valid, and so is the tenant’s id',
    async (name) => {
      for (const user of ['ann', 'bob']) {
        const { slug, tenant_id } = await create(user, name);
        expect(slug).toMatch(SLUG);
        expect(tenant_id).toMatch(/^[a-z0-9](?:-?[a-z0-9])+-[a-z0-9]{6}$/);
        expect(tenant_id.length).toBeLessThanOrEqual(64);
      }
    },
  );
});

describe('an issuer that is down', () => {
  it('does not keep a user from having an org: the claims wait in the outbox', async () => {
    issuer.act = () => Promise.reject(new Error('away'));
    const created = await create('ann', 'Acme');
    expect(created.result).toBe('created');
    expect(await rowsOf(test.superuserUrl, 'SELECT user_id, claims FROM claim_writes')).toEqual([
      { user_id: 'ann', claims: { tenant_id: created.tenant_id, role: 'owner' } },
    ]);
  });

  it('does not make a caller wait where it never answers', async () => {
    let release: () => void = () => undefined;
    issuer.act = () => new Promise((resolve) => (release = resolve));
    expect((await create('ann', 'Acme')).result).toBe('created');
    expect(await count('claim_writes')).toBe(1);
    release();
    await eventually(async () => (await count('claim_writes')) === 0);
  });
});

describe('listeners', () => {
  it('get one event of a new org, and can read the org', async () => {
    const seen: unknown[] = [];
    for (const { events } of replicas) {
      events.subscribe(async (_event, tx) => {
        seen.push(await tx.tenant.findMany({ select: { id: true } }));
      });
    }
    const created = await create('ann', 'Acme');
    await create('ann', 'Acme');
    expect(replicas.flatMap(({ published }) => published)).toEqual([
      {
        action: 'org.created',
        actor: { type: 'user', id: 'ann' },
        tenantId: null,
        resource: { type: 'org', id: created.org_id },
        details: {},
      },
    ]);
    expect(seen).toEqual([[{ id: created.tenant_id }]]);
  });

  it('that fail prevent the org', async () => {
    for (const { events } of replicas) events.subscribe(() => Promise.reject(new Fault('unavailable', 'No log.')));
    expect((await refusal(create('ann', 'Acme'))).kind).toBe('unavailable');
    expect(await counts()).toEqual([0, 0, 0, 0, 0]);
    expect(issuer.written).toEqual([]);
  });

  it("get the names of an org's changed fields", async () => {
    const { tenant_id: tenantId, org_id: id } = await create('ann', 'Acme', 'acme');
    const { orgs, published } = replicas[0]!;
    published.length = 0;
    const ann = dashboardUser('ann', tenantId, 'owner');
    expect(await orgs.update(ann, { name: 'Acme 2' })).toMatchObject({ id, name: 'Acme 2', slug: 'acme' });
    await orgs.update(ann, {});
    expect(published).toEqual([
      {
        action: 'org.updated',
        actor: { type: 'user', id: 'ann' },
        tenantId: null,
        resource: { type: 'org', id },
        details: { fields: ['name'] },
      },
    ]);
  });
});

describe('an Idempotency-Key', () => {
  const once = (userId: string, name: string, key: string) =>
    replicas[Math.floor(Math.random() * 2)]!.orgs.createOnce(founder(userId), { name, slug: '' }, key);

  it('returns one org to many simultaneous requests, and its answer is deleted with the tenant', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => once('ann', 'Acme', 'k')));
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(await counts()).toEqual([1, 1, 1, 1, 0]);
    const orgs = answers.map(({ body }) => (body as { org: { tenantId: string } }).org);
    for (const org of orgs) expect(org).toEqual(orgs[0]);
    expect(await rowsOf(test.superuserUrl, 'SELECT tenant_id FROM idempotency_keys')).toEqual([
      { tenant_id: orgs[0]!.tenantId },
    ]);
  });

  it('of a request that failed is free again', async () => {
    await create('bob', 'Acme', 'acme');
    const { orgs } = replicas[0]!;
    const taken = orgs.createOnce(founder('ann'), { name: 'Acme', slug: 'acme' }, 'k');
    expect((await refusal(taken)).kind).toBe('already_exists');
    expect((await once('ann', 'Other', 'k')).replayed).toBe(false);
    expect((await refusal(once('ann', 'Another', 'k'))).kind).toBe('conflict');
  });
});
