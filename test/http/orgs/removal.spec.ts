/** Two replicas, one of them a process of its own: a removal or demotion applies on both. */
import { eventually } from '../../support/eventually.js';
import {
  startService,
  startServiceProcess,
  type Identity,
  type Org,
  type ServiceClient,
  type ServiceProcess,
  type TestService,
} from '../../support/service.js';
import { member, newcomer, ownerOf, post } from './people.js';

let service: TestService;
let replica: ServiceProcess;
let org: Org;
let people = 0;

beforeAll(async () => {
  // A limit high enough for a busy test.
  service = await startService({ settings: { requestsPerMinute: 1_000_000 } });
  const { database, issuer, upstream, settings, google } = service;
  org = await service.createOrg('founder');
  replica = await startServiceProcess({
    database,
    issuer,
    upstream,
    google,
    env: {
      GATEHOUSE_PEPPERS: settings.peppers
        .map((pepper) => `${pepper.version}:${pepper.secret.toString('base64url')}`)
        .join(','),
      GATEHOUSE_SIGNING_KEYS: settings.signingKeys,
      GATEHOUSE_REQUESTS_PER_MINUTE: '1000000',
    },
  }).catch(async (error: unknown) => {
    await service.stop();
    throw error;
  });
});

afterAll(async () => {
  await replica.stop();
  await service.stop();
});

/** A member whom both replicas know and have cached. */
async function newMember(role: 'admin' | 'viewer'): Promise<Identity> {
  people += 1;
  const user = `person-${people}`;
  await service.addMember(org, user, role);
  const identity = member(org, user);
  for (const on of [service, replica]) expect(await statusOf(on, identity)).toBe(200);
  return identity;
}

const statusOf = async (on: ServiceClient, identity: Identity, route = 'orgs/get'): Promise<number> =>
  (await post(on, identity, route)).status;

/** Both refuse, and keep refusing. */
async function expectRefusedEverywhere(identity: Identity, route?: string): Promise<void> {
  for (const on of [service, replica]) await eventually(async () => (await statusOf(on, identity, route)) === 403);
  for (let round = 0; round < 10; round += 1) {
    for (const on of [service, replica]) expect(await statusOf(on, identity, route)).toBe(403);
  }
}

it('a removed member is refused on both replicas under load, while the others pass all the time', async () => {
  const [gone, stays] = [await newMember('admin'), await newMember('admin')];
  const seen = { gone: new Set<number>(), stays: new Set<number>() };
  let going = true;
  const workers = [service, replica].flatMap((on) => [
    (async () => {
      while (going) seen.gone.add(await statusOf(on, gone));
    })(),
    (async () => {
      while (going) seen.stays.add(await statusOf(on, stays));
    })(),
  ]);
  try {
    await eventually(() => seen.gone.has(200) && seen.stays.has(200));
    await service.asUser(ownerOf(org), 'orgs/remove-member', { userId: gone.user });
    await expectRefusedEverywhere(gone);
  } finally {
    going = false;
    await Promise.all(workers);
  }
  expect(seen.gone).toEqual(new Set([200, 403]));
  expect(seen.stays).toEqual(new Set([200]));
});

it('a demoted member has only the new role on both replicas, whatever the token claims', async () => {
  const admin = await newMember('admin');
  for (const on of [service, replica]) expect(await statusOf(on, admin, 'orgs/list-invitations')).toBe(200);
  await service.asUser(ownerOf(org), 'orgs/update-member', { userId: admin.user, role: 'viewer' });
  await expectRefusedEverywhere({ ...admin, role: 'owner' }, 'orgs/list-invitations');
  for (const on of [service, replica]) expect(await statusOf(on, admin)).toBe(200);
});

it('a removed member who is invited again is admitted on both replicas', async () => {
  const user = `person-again-${people}`;
  for (let time = 0; time < 2; time += 1) {
    const { token } = await service.asUser<{ token: string }>(ownerOf(org), 'orgs/invite-member', {
      email: `${user}@example.com`,
      role: 'viewer',
    });
    await replica.asUser(newcomer(user), 'orgs/accept-invitation', { token });
    for (const on of [service, replica]) expect(await statusOf(on, member(org, user))).toBe(200);
    await replica.asUser(ownerOf(org), 'orgs/remove-member', { userId: user });
    await expectRefusedEverywhere(member(org, user));
  }
});

it('members of a deleted tenant are refused there on both replicas, and keep their other tenants', async () => {
  const viewer = await newMember('viewer');
  const { tenant } = await service.asUser<{ tenant: { id: string } }>(ownerOf(org), 'tenants/create', {
    name: 'Staging',
  });
  const there = { ...viewer, tenant: tenant.id };
  // A route that asks the database only about keys: the membership itself must be gone.
  for (const on of [service, replica]) expect(await statusOf(on, there, 'api-keys/list')).toBe(200);
  await replica.asUser(ownerOf(org), 'tenants/delete', { tenantId: tenant.id, name: 'Staging' });
  await expectRefusedEverywhere(there, 'api-keys/list');
  for (const on of [service, replica]) expect(await statusOf(on, viewer)).toBe(200);
});
