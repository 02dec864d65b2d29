/** Orgs, tenants and people without HTTP: the services of one replica on a real Postgres. */
import type { DashboardUserPrincipal, Role } from '../../src/identity/index.js';
import type { Settings } from '../../src/platform/config/index.js';
import { PepperRing } from '../../src/platform/crypto/index.js';
import { Database, Revocations } from '../../src/platform/database/index.js';
import { Events, type DomainEvent } from '../../src/platform/events/index.js';
import { PageTokens } from '../../src/platform/http/index.js';
import { IdempotencyKeys } from '../../src/platform/idempotency/index.js';
import { Jobs } from '../../src/platform/jobs/index.js';
import { ClaimWrites } from '../../src/signin/claim-writes.js';
import { ClaimWritesRepository } from '../../src/signin/claim-writes.repository.js';
import type { ClaimsWriter } from '../../src/signin/index.js';
import { InvitationsRepository } from '../../src/orgs/invitations.repository.js';
import { InvitationsService } from '../../src/orgs/invitations.service.js';
import { MembersRepository } from '../../src/orgs/members.repository.js';
import { MembersService } from '../../src/orgs/members.service.js';
import { OrgFounding } from '../../src/orgs/org-founding.js';
import { OrgTransactions } from '../../src/orgs/org-transactions.js';
import { OrgsRepository } from '../../src/orgs/orgs.repository.js';
import { OrgsService } from '../../src/orgs/orgs.service.js';
import { TenantsRepository } from '../../src/orgs/tenants.repository.js';
import { TenantsService } from '../../src/orgs/tenants.service.js';
import { testSettings } from './settings.js';
import { poolOf, rowsOf } from './sql.js';

export interface Tenancy {
  readonly database: Database;
  readonly outbox: ClaimWritesRepository;
  readonly claimWrites: ClaimWrites;
  readonly orgs: OrgsService;
  readonly members: MembersService;
  readonly invitations: InvitationsService;
  readonly tenants: TenantsService;
  readonly events: Events;
  /** The published events, whether or not their transaction was committed. */
  readonly published: DomainEvent[];
  stop(): Promise<void>;
}

/** Its outbox polls only where a spec starts it. */
export function startTenancy(databaseUrl: string, writer: ClaimsWriter, overrides: Partial<Settings> = {}): Tenancy {
  const settings = testSettings({ databaseUrl, ...overrides });
  const database = new Database(settings);
  const peppers = new PepperRing(settings.peppers);
  const outbox = new ClaimWritesRepository(database);
  const jobs = new Jobs();
  const claimWrites = new ClaimWrites(outbox, writer, jobs);
  const events = new Events();
  const published: DomainEvent[] = [];
  events.subscribe(async (event) => {
    published.push(event);
  });
  const idempotency = new IdempotencyKeys(database, peppers, jobs);
  const pageTokens = new PageTokens(peppers);
  const orgs = new OrgTransactions(database);
  const members = new MembersRepository();
  return {
    database,
    outbox,
    claimWrites,
    orgs: new OrgsService(
      database,
      orgs,
      new OrgsRepository(database),
      claimWrites,
      outbox,
      events,
      idempotency,
      pageTokens,
      new OrgFounding(database, events),
    ),
    members: new MembersService(orgs, members, outbox, claimWrites, events, pageTokens),
    invitations: new InvitationsService(
      database,
      orgs,
      new InvitationsRepository(),
      members,
      claimWrites,
      events,
      idempotency,
      peppers,
      pageTokens,
      new Revocations(settings),
      settings,
    ),
    tenants: new TenantsService(database, orgs, new TenantsRepository(), claimWrites, events, idempotency, pageTokens),
    events,
    published,
    async stop() {
      await jobs.beforeApplicationShutdown();
      await database.close();
    },
  };
}

/** A person in a tenant, as after authentication. */
export function dashboardUser(userId: string, tenantId: string, role: Role): DashboardUserPrincipal {
  return { kind: 'dashboardUser', userId, tenantId, role, email: `${userId}@example.com`, emailVerified: true };
}

/** Adds people to an org by SQL. */
export async function seedMembers(
  superuserUrl: string,
  orgId: string,
  members: Readonly<Record<string, Role>>,
): Promise<void> {
  const client = poolOf(superuserUrl);
  for (const [userId, role] of Object.entries(members)) {
    await client.query('INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      userId,
      `${userId}@example.com`,
    ]);
    await client.query('INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, $3)', [orgId, userId, role]);
  }
}

/** The roles of an org's members, by user. */
export async function rolesOf(superuserUrl: string, orgId: string): Promise<Record<string, string>> {
  const rows = await rowsOf<{ user_id: string; role: string }>(
    superuserUrl,
    'SELECT user_id, role FROM memberships WHERE org_id = $1 ORDER BY user_id',
    [orgId],
  );
  return Object.fromEntries(rows.map(({ user_id: userId, role }) => [userId, role]));
}
