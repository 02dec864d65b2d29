import { z } from 'zod';
import { certificateFile } from './database-tls.js';
import { group, integer, url } from './setting-definition.js';

const database = group('Database').define;

/** Postgres, by each way that leads to it, and Redis. */
export const DATABASE_SETTINGS = {
  databaseUrl: database(
    'DATABASE_URL',
    url('postgres:', 'postgresql:'),
    'Postgres, by its owner: applies migrations. Unset: an embedded one, in development mode.',
    {
      requiredInProduction: true,
      secret: true,
    },
  ),
  migrate: database(
    'GATEHOUSE_MIGRATE',
    z.enum(['start', 'off']),
    'Whether the service brings the database up to date as it starts. `off`: it refuses to start before `gatehouse migrate` did.',
    { fallback: 'start' },
  ),
  databaseRolePrefix: database(
    'DATABASE_ROLE_PREFIX',
    z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, beginning with a letter, at most 40'),
    "What the names of the database's two roles begin with: `gatehouse` gives `gatehouse_app` and `gatehouse_definer`. Roles " +
      'belong to the whole cluster, so each Gatehouse in one needs a prefix of its own. Fixed once the database is made.',
    { fallback: 'gatehouse' },
  ),
  databaseAppUrl: database(
    'DATABASE_APP_URL',
    url('postgres:', 'postgresql:'),
    'The same Postgres by a login of its own for everything but migrations, a member of `gatehouse_app`. The address of a pooler in ' +
      "transaction mode ends in `?pgbouncer=true`. Unset: `DATABASE_URL`'s login, each connection switched to the role `gatehouse_app` as it opens.",
    { secret: true },
  ),
  databaseDirectUrl: database(
    'DATABASE_DIRECT_URL',
    url('postgres:', 'postgresql:'),
    'The same Postgres past any transaction pooler, for LISTEN. Unset: the address used for everything else, or behind a ' +
      'pooler `DATABASE_URL`.',
    { secret: true },
  ),
  databaseBackupUrl: database(
    'DATABASE_BACKUP_URL',
    url('postgres:', 'postgresql:'),
    'The same Postgres by a login that reads every row, for `gatehouse backup` alone. Unset: `DATABASE_URL`.',
    { secret: true },
  ),
  databaseCaFile: database(
    'DATABASE_CA_FILE',
    certificateFile,
    "PEM file of the authorities that sign Postgres' certificate. With it each address has `sslmode=verify-full`, unless it says " +
      "`sslmode=disable`. Unset: an address with `sslmode=verify-full` trusts Node's own authorities, one without is not encrypted.",
  ),
  databasePoolSize: database(
    'DATABASE_POOL_SIZE',
    integer(2, 500),
    'Most connections of one process for management, reports, queries and background work.',
    { fallback: '10' },
  ),
  databaseCallsPoolSize: database(
    'DATABASE_CALLS_POOL_SIZE',
    integer(2, 500),
    'Most connections of one process for what every call needs (credentials, request windows, admission, settlement), ' +
      'beside the others, so that these never wait for them. One more listens for revocations.',
    { fallback: '6' },
  ),
  redisUrl: database(
    'REDIS_URL',
    url('redis:', 'rediss:'),
    'Redis or Valkey that counts request windows. Unset: Postgres does.',
    {
      secret: true,
    },
  ),
} as const;
