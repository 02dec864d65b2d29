/** What an operator sees and does past the service, in the database of DATABASE_URL: all tenants, the first org, the sweeps. */
import { auditPruning, AuditWriter } from '../../audit/index.js';
import { invitationLink, inviteFirstOwner, OrgFounding } from '../../orgs/index.js';
import type { Settings } from '../../platform/config/index.js';
import { PepperRing } from '../../platform/crypto/index.js';
import { Database, readAcrossTenants } from '../../platform/database/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { Events } from '../../platform/events/index.js';
import { keepLedger, sweepUsage } from '../../usage/index.js';
import { fields, print, show, table, UsageError, type OutputOptions } from './command-output.js';
import { withSettings } from './operator-settings.js';

/** $1: one tenant's id, or null for all. */
const TENANTS = `
  SELECT t.id, t.name, o.id AS "orgId", o.name AS "orgName", t.created_at AS "createdAt",
         (SELECT count(*)::int FROM memberships m WHERE m.org_id = o.id) AS members,
         (SELECT count(*)::int FROM api_keys k WHERE k.tenant_id = t.id) AS keys,
         (SELECT count(*)::int FROM llm_providers p WHERE p.tenant_id = t.id) AS providers,
         (SELECT count(*)::int FROM gateways g WHERE g.tenant_id = t.id) AS gateways,
         (SELECT max(r.created_at) FROM usage_records r WHERE r.tenant_id = t.id) AS "lastCallAt"
  FROM tenants t JOIN orgs o ON o.id = t.org_id
  WHERE ($1::text IS NULL OR t.id = $1) AND o.id <> 'org_anonymous'
  ORDER BY t.created_at DESC, t.id LIMIT $2`;

interface TenantOfAll {
  readonly id: string;
  readonly name: string;
  readonly orgId: string;
  readonly orgName: string;
  readonly createdAt: Date;
  readonly members: number;
  readonly keys: number;
  readonly providers: number;
  readonly gateways: number;
  readonly lastCallAt: Date | null;
  /** Whether its calls may go out on the platform's own credentials. */
  readonly platformProviders: boolean;
}

const ALL = '*';

async function tenantsOf(settings: Settings, id: string | null, most: number): Promise<TenantOfAll[]> {
  const { databaseUrl, databaseRolePrefix, platformProviderTenants: allowed } = settings;
  const rows = await readAcrossTenants<Omit<TenantOfAll, 'platformProviders'>>(
    databaseUrl,
    databaseRolePrefix,
    TENANTS,
    [id, most],
  );
  return rows.map((row) => ({ ...row, platformProviders: allowed.includes(ALL) || allowed.includes(row.id) }));
}

const timeOf = (time: Date | null): string => time?.toISOString() ?? 'never';
const yesOrNo = (is: boolean): string => (is ? 'yes' : 'no');

export async function listAllTenants(options: OutputOptions & { readonly most: number }): Promise<void> {
  const tenants = await withSettings((settings) => tenantsOf(settings, null, options.most));
  show(options, { tenants }, () =>
    table(
      ['tenant id', 'name', 'org', 'keys', 'last call', "platform's providers"],
      tenants.map(({ id, name, orgName, keys, lastCallAt, platformProviders }) => [
        ...[id, name, orgName, String(keys), timeOf(lastCallAt), yesOrNo(platformProviders)],
      ]),
    ),
  );
}

export async function showTenant(id: string, options: OutputOptions): Promise<void> {
  const [tenant] = await withSettings((settings) => tenantsOf(settings, id, 1));
  if (tenant === undefined)
    throw new OperatorError(`No tenant has the id ${id}. \`gatehouse operator tenants\` lists them.`);
  show(options, { tenant }, () =>
    fields([
      ['Tenant', tenant.id],
      ['Name', tenant.name],
      ['Org', `${tenant.orgName} (${tenant.orgId})`],
      ['Made', timeOf(tenant.createdAt)],
      ['Members', String(tenant.members)],
      ['Keys', String(tenant.keys)],
      ['Providers', String(tenant.providers)],
      ['Gateways', String(tenant.gateways)],
      ['Last call', timeOf(tenant.lastCallAt)],
      ["Platform's providers", yesOrNo(tenant.platformProviders)],
    ]),
  );
}

/** Who may use the platform's own credentials, by PLATFORM_PROVIDER_TENANTS. An id without a tenant is told. */
export async function showAllowedTenants(options: OutputOptions): Promise<void> {
  const { all, tenants } = await withSettings(async (settings) => {
    const { databaseUrl, databaseRolePrefix, platformProviderTenants } = settings;
    const ids = platformProviderTenants.filter((id) => id !== ALL);
    const rows = await readAcrossTenants<{ id: string; name: string | null }>(
      databaseUrl,
      databaseRolePrefix,
      'SELECT a.id, t.name FROM unnest($1::text[]) AS a (id) LEFT JOIN tenants t ON t.id = a.id ORDER BY a.id',
      [ids],
    );
    return { all: platformProviderTenants.includes(ALL), tenants: rows };
  });
  show(options, { all, tenants }, () => {
    if (all) return 'All tenants may use the platform’s providers (PLATFORM_PROVIDER_TENANTS=*).';
    if (tenants.length === 0)
      return 'No tenant may use the platform’s providers: PLATFORM_PROVIDER_TENANTS names none.';
    return table(
      ['tenant id', 'name'],
      tenants.map(({ id, name }) => [id, name ?? 'no such tenant']),
    );
  });
  if (tenants.some(({ name }) => name === null)) process.exitCode = 1;
}

export interface Bootstrap extends OutputOptions {
  readonly org: string;
  readonly owner?: string;
  readonly email?: string;
}

/**
 * Makes an org, its first tenant and its owner: known by the issuer's subject, or invited by an e-mail address. Again with the
 * same words: the same org.
 */
export async function bootstrap(options: Bootstrap): Promise<void> {
  const { org: name, owner, email } = options;
  for (const [option, text, most] of [
    ['--org', name, 100],
    ['--owner', owner, 128],
  ] as const) {
    if (text !== undefined && (text.trim() === '' || text.length > most))
      throw new UsageError(`${option} must have 1 to ${most} characters.`);
  }
  if (owner !== undefined) return bootstrapOwner(options, owner);
  if (email === undefined)
    throw new UsageError('Name the owner: --email of the person, or --owner with their subject.');
  return bootstrapInvitation(options, email);
}

function foundOrgs<T>(work: (database: Database, events: Events, settings: Settings) => Promise<T>): Promise<T> {
  return withSettings(async (settings) => {
    const database = new Database(settings);
    try {
      const events = new Events();
      new AuditWriter(events);
      return await work(database, events, settings);
    } finally {
      await database.close();
    }
  });
}

async function bootstrapInvitation(options: Bootstrap, email: string): Promise<void> {
  const { token, link, ...invited } = await foundOrgs(async (database, events, settings) => {
    const peppers = new PepperRing(settings.peppers);
    const made = await inviteFirstOwner({ database, events, peppers }, options.org, email);
    return { ...made, link: invitationLink(settings, made.token) };
  });
  const { orgId, tenantId, created } = invited;
  const expiresAt = invited.expiresAt.toISOString();
  show(options, { orgId, tenantId, created, link, token, expiresAt }, () =>
    fields([
      ['Org', `${options.org} (${orgId})${created ? '' : ', which exists already'}`],
      ['Tenant', tenantId],
      ['Owner', `the person who signs in with the verified address ${email}, and accepts`],
      link === undefined ? ['Token', `${token} (set PUBLIC_URL for a link)`] : ['Link', link],
      ['Until', expiresAt],
    ]),
  );
}

async function bootstrapOwner(options: Bootstrap, userId: string): Promise<void> {
  const { org: name, email = null } = options;
  const created = await foundOrgs((database, events) =>
    new OrgFounding(database, events).create({ userId, email, hasTenant: false }, { name, slug: '' }),
  );
  const { org_id: orgId, tenant_id: tenantId, result } = created;
  show(options, { orgId, tenantId, owner: userId, created: result === 'created' }, () =>
    fields([
      ['Org', `${created.name} (${orgId})${result === 'created' ? '' : ', which exists already'}`],
      ['Tenant', tenantId],
      ['Owner', userId],
    ]),
  );
}

/** Does once what the service does from time to time: charges what dead processes left, and takes away what is kept no longer. */
export async function sweep(options: OutputOptions): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());
  const done = await withSettings(async (settings) => {
    const database = new Database(settings);
    try {
      const { ledgerRetentionDays, auditRetentionDays } = settings;
      const sweptCalls = await sweepUsage(database, settings.leaseSeconds, 0);
      let droppedCalls = 0;
      const droppedMonths: string[] = [];
      const ledger =
        ledgerRetentionDays === 0
          ? 'off'
          : await keepLedger(database, ledgerRetentionDays, stopping.signal, ({ did, month, rows }) => {
              if (did !== 'dropped' || month === null) return;
              droppedMonths.push(month.slice(0, 7));
              droppedCalls += Number(rows);
            });
      const auditEvents =
        auditRetentionDays === 0 ? 0 : await auditPruning(database, auditRetentionDays, stopping.signal);
      return { sweptCalls, ledger, droppedMonths, droppedCalls, auditEvents };
    } finally {
      await database.close();
    }
  });
  show(options, done, () =>
    [
      `${done.sweptCalls} calls of dead processes were charged.`,
      `${done.droppedMonths.length} months of the ledger were dropped${
        done.droppedMonths.length === 0 ? '' : ` (${done.droppedMonths.join(', ')}), with ${done.droppedCalls} calls`
      }${TOLD[done.ledger] ?? '.'}`,
      `${done.auditEvents} events of the audit log were deleted.`,
    ].join('\n'),
  );
  if (done.ledger === 'busy' || done.ledger === 'open') {
    print('Run it again later.');
    process.exitCode = 1;
  }
}

const TOLD: Readonly<Record<string, string>> = {
  off: ': GATEHOUSE_LEDGER_RETENTION_DAYS is not set.',
  busy: '; another process is at it.',
  open: '; the next one waits for a call that a process may have open.',
};
