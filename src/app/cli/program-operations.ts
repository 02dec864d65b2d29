import type { Command } from 'commander';
import { examples, listing, type Output } from './program-options.js';

/** What operators do in the database, past the service. */
export function addOperations(gatehouse: Command): void {
  const sealed = gatehouse.command('sealed').description('Sealed access tokens.');
  examples(
    sealed
      .command('revoke')
      .description('Revoke one, or all that were issued before a time, on every replica.')
      .option('--jti <jti>', 'of the one')
      .option('--issued-before <time>', 'as 2026-11-29T12:00:00Z'),
    'gatehouse sealed revoke --issued-before 2026-11-29T12:00:00Z',
  ).action(async (options: object) => (await import('./database.commands.js')).revokeSealed(options));
  examples(
    gatehouse
      .command('rotate')
      .description('Move what is stored to the newest of GATEHOUSE_ENCRYPTION_KEYS; says when older ones may go.'),
    'gatehouse rotate',
  ).action(async (options: Output) => (await import('./database.commands.js')).rotateEncryption(options));
  examples(
    gatehouse
      .command('status')
      .description('Show what is due in the queues, and which versions of peppers and encryption keys are in use.'),
    'gatehouse status',
  ).action(async (options: Output) => (await import('./database.commands.js')).status(options));
  const load = () => import('./operator.commands.js');
  const operator = gatehouse
    .command('operator')
    .description('All tenants, past the service, in the database of DATABASE_URL.');
  examples(
    listing(operator.command('tenants').description('Every tenant of every org, newest first.')),
    'gatehouse operator tenants',
    'gatehouse operator tenants --most 1000 --json',
  ).action(async (options: Output & { most: number }) => (await load()).listAllTenants(options));
  examples(
    operator
      .command('tenant')
      .description('One tenant: its org, what it has, when it last called.')
      .argument('<tenantId>'),
    'gatehouse operator tenant acme-a1b2c3',
  ).action(async (tenantId: string, options: Output) => (await load()).showTenant(tenantId, options));
  examples(
    operator
      .command('providers')
      .description(
        "Which tenants may use the platform's providers; 1 where PLATFORM_PROVIDER_TENANTS names one that does not exist.",
      ),
    'gatehouse operator providers',
  ).action(async (options: Output) => (await load()).showAllowedTenants(options));
  examples(
    gatehouse
      .command('bootstrap')
      .description(
        'Make an org and its first tenant in the database, and its owner: by --owner, or by an invitation to --email alone. Again with the same words: the same org.',
      )
      .requiredOption('--org <name>', 'what the org is called')
      .option('--owner <subject>', "the owner, as the sign-in's issuer names them in `sub`")
      .option('--email <address>', "the owner's e-mail address; without --owner the invitation's"),
    'gatehouse bootstrap --org Acme --email ann@example.com',
    'gatehouse bootstrap --org Acme --owner 248289761001 --email ann@example.com',
  ).action(async (options: Output & { org: string; owner?: string; email?: string }) =>
    (await load()).bootstrap(options),
  );
  examples(
    gatehouse
      .command('sweep')
      .description(
        'Do once what the service does by itself: charge calls of dead processes, drop what is older than it is kept.',
      ),
    'gatehouse sweep',
    'gatehouse sweep --json',
  ).action(async (options: Output) => (await load()).sweep(options));
}
