/** Several Gatehouses in one cluster, each with an owner and roles of its own; and roles that an administrator created. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';
import { createEmptyDatabase, type TestDatabase } from '../../../test/support/postgres.js';
import { onDatabase, rowsOf } from '../../../test/support/sql.js';
import { testSettings } from '../../../test/support/settings.js';
import { appConnection } from './connections.js';
import { assertIsolation } from './isolation.js';
import { migrate } from './migrations.js';
import { rolesOf } from './roles.js';

const PRISMA = path.join(process.cwd(), 'prisma');

let database: TestDatabase;
let owner: string;
let ownerUrl: string;
let prefix: string;

beforeEach(async () => {
  database = await createEmptyDatabase();
  owner = `owner_${randomBytes(4).toString('hex')}`;
  prefix = `second_${randomBytes(4).toString('hex')}`;
  const address = new URL(database.ownerUrl);
  Object.assign(address, { username: owner, password: 'of-the-test' });
  ownerUrl = address.href;
});

afterEach(async () => {
  await database.drop();
  const postgres = new URL(database.superuserUrl);
  postgres.pathname = '/postgres';
  await rowsOf(postgres.href, `DROP ROLE IF EXISTS ${[...rolesOf(prefix), owner].join(', ')}`);
});

async function ownedBy(rights: string): Promise<void> {
  await asAdministrator(`CREATE ROLE ${owner} LOGIN ${rights} PASSWORD 'of-the-test'`);
  await asAdministrator(
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO ${owner}', current_database()); END $$`,
  );
}

const asAdministrator = (sql: string): Promise<unknown> => rowsOf(database.superuserUrl, sql);

async function refusal(): Promise<string> {
  return migrate(ownerUrl, PRISMA, undefined, prefix).then(
    () => 'It was migrated.',
    (error: unknown) => (error as Error).message,
  );
}

async function isUsable(): Promise<void> {
  await assertIsolation(ownerUrl, PRISMA, prefix);
  const settings = testSettings({ databaseUrl: ownerUrl, databaseRolePrefix: prefix });
  const client = new pg.Client(appConnection(settings));
  await client.connect();
  try {
    const { rows } = await client.query('SELECT current_user AS role, find_org_of_tenant($1) AS org', ['none']);
    expect(rows).toEqual([{ role: `${prefix}_app`, org: null }]);
  } finally {
    await client.end();
  }
}

it('another owner does not get the roles of the first, and creates its own under its prefix', async () => {
  await ownedBy('CREATEROLE');
  const own = prefix;
  prefix = 'gatehouse';
  expect(await refusal()).toMatch(/may not act as the database roles .* set DATABASE_ROLE_PREFIX to a name/);
  prefix = own;
  await migrate(ownerUrl, PRISMA, undefined, prefix);
  await isUsable();

  // None of it is open to the other installation's roles.
  const others =
    "SELECT pg_has_role(r, $1, 'MEMBER') AS may FROM unnest(ARRAY['gatehouse_app', 'gatehouse_definer']) AS r";
  for (const role of rolesOf(prefix)) {
    expect(await rowsOf(database.superuserUrl, others, [role])).toEqual([{ may: false }, { may: false }]);
  }
});

it('an owner who may not create roles gets the statements that an administrator has to run, and they are enough', async () => {
  await ownedBy('NOCREATEROLE');
  const message = await refusal();
  expect(message).toContain(`the user ${owner} may not create roles`);
  const [, statements = ''] = /run `(.*)`/.exec(message) ?? [];
  await onDatabase(database.superuserUrl, (client) => client.query(statements));
  await migrate(ownerUrl, PRISMA, undefined, prefix);
  await isUsable();
});
