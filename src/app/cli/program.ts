import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addOperations } from './program-operations.js';
import { caller, examples, limits, listing, wholeNumber, type Caller, type Output } from './program-options.js';

/** As platform/config has it, whose schemas `--help` need not load. From src/ and from dist/ the same number of folders up. */
const PACKAGE = new URL('../../../package.json', import.meta.url);

/**
 * Every command, its options and examples. What a command does is loaded when it is asked for: most need a part of the
 * service alone.
 */
export function program(): Command {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  const gatehouse = new Command('gatehouse')
    .description('Sets up, looks after and asks a Gatehouse service.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(add --help for help)')
    .addHelpText('after', '\nExit codes: 0 done, 1 refused or something found wrong, 2 written wrong.');
  addSetUp(gatehouse);
  addBackups(gatehouse);
  addEnvironment(gatehouse);
  addToken(gatehouse);
  addKeys(gatehouse);
  addTenants(gatehouse);
  addProviders(gatehouse);
  addOperations(gatehouse);
  return gatehouse;
}

function addSetUp(gatehouse: Command): void {
  const init = gatehouse
    .command('init')
    .description('Write a commented .env for production, with secrets made for it.')
    .option('--file <path>', 'where to write; a file that exists stays as it is', '.env')
    .option('--database-url <url>', 'DATABASE_URL')
    .option('--firebase-project <id>', 'FIREBASE_PROJECT_ID')
    .option('--oidc-issuer <url>', 'DASHBOARD_OIDC_ISSUER, instead of Firebase')
    .option('--oidc-audience <text>', 'DASHBOARD_OIDC_AUDIENCE: what `aud` of its tokens says')
    .option('--oidc-client-id <text>', 'DASHBOARD_OIDC_CLIENT_ID: the public client that browsers sign in with');
  examples(
    init,
    'gatehouse init --firebase-project my-project',
    'gatehouse init --oidc-issuer https://id.example.com --oidc-audience gatehouse --oidc-client-id gatehouse',
  ).action(async (options: InitOptions) => {
    await (await import('./init.command.js')).init(options);
  });
  examples(
    gatehouse
      .command('doctor')
      .description(
        'Look at configuration, database, roles, policies, functions, clocks and providers; changes nothing.',
      ),
    'gatehouse doctor',
    'gatehouse doctor --json',
  ).action(async (options: Output) => {
    await (await import('./doctor.command.js')).doctor(options);
  });
  examples(
    gatehouse.command('migrate').description('Bring the database up to date, as each start of the service does.'),
    'gatehouse migrate',
  ).action(async (options: Output) => {
    await (await import('./database.commands.js')).applyMigrations(options);
  });
}

function addBackups(gatehouse: Command): void {
  const load = () => import('./backup.commands.js');
  examples(
    gatehouse
      .command('backup')
      .description('Write the whole database into a file, by pg_dump as DATABASE_BACKUP_URL.')
      .argument('<file>', 'to write; one that exists stays as it is'),
    'gatehouse backup gatehouse.dump',
  ).action(async (file: string, options: Output) => (await load()).backup(file, options));
  examples(
    gatehouse
      .command('restore')
      .description('Read such a file into the empty database of DATABASE_URL, and check what keeps tenants apart.')
      .argument('<file>', 'from `gatehouse backup`'),
    'gatehouse restore gatehouse.dump',
  ).action(async (file: string, options: Output) => (await load()).restore(file, options));
}

function addEnvironment(gatehouse: Command): void {
  examples(
    gatehouse
      .command('env')
      .description('In development: print GATEHOUSE_URL, SECRET_KEY, TENANT_ID and TOKEN for the shell.'),
    'eval "$(gatehouse env)"',
  ).action(async (options: Output) => (await import('./env.command.js')).printEnvironment(options));
}

/** Its options are read by the command itself, so that what it says of them is the same wherever it is called from. */
function addToken(gatehouse: Command): void {
  gatehouse
    .command('token')
    .description('In development: print a token that the development issuer signs, and nothing else.')
    .usage('(--user <id> | --end-user <id>) [options]')
    .option('--json', 'print JSON, for programs')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
Of a person at the dashboard:
  --user <id>             who signs in; dev-owner owns the first org
  --email <address>       their verified e-mail address
  --tenant <id>           another tenant than the remembered one
  --no-tenant             no tenant
  --role <role>           what the token says; what counts is the membership
Of an end user of a publishable key:
  --end-user <id>         the user of your app
  --audience <text>       what \`aud\` says; gatehouse-development-app unless told otherwise
  --issuer <url>          another address of this service than the one it wrote down
Of both:
  --expires-in <seconds>  3600 unless told otherwise

Examples:
  $ gatehouse token --user dev-owner
  $ gatehouse token --end-user ann`,
    )
    .action(async (options: Output, command: Command) => {
      await (await import('./token.command.js')).printToken(command.args, options);
    });
}

function addKeys(gatehouse: Command): void {
  const keys = gatehouse.command('keys').description("The tenant's API keys, by a running service.");
  const load = () => import('./keys.commands.js');
  examples(
    caller(listing(keys.command('list').description('Newest first.'))),
    'gatehouse keys list',
    'gatehouse keys list --most 10 --json',
  ).action(async (options: Caller & { most: number }) => (await load()).listKeys(options));
  const newKey = (command: Command): Command =>
    caller(command)
      .argument('<name>')
      .option('--description <text>')
      .option('--scope <scope...>', 'what it may do; absent: what its maker may, but for the far-reaching scopes')
      .option('--model <model...>', 'the only models that it may use')
      .option('--requests-per-minute <count>', 'its request window', wholeNumber)
      .option('--expires-at <time>', 'as 2027-01-31T00:00:00Z');
  examples(
    newKey(keys.command('create').description('Make a secret key, which is shown once.')),
    'gatehouse keys create backend --scope chat:write usage:read --requests-per-minute 120',
  ).action(async (name: string, options: object) => (await load()).createKey(name, options));
  examples(
    newKey(keys.command('create-publishable').description('Make a publishable key, for an app, which is shown once.'))
      .option('--issuer <url>', 'whose tokens it takes')
      .option('--audience <text>', 'what `aud` must hold')
      .option('--jwks-uri <url>', "the issuer's keys; absent: by discovery")
      .option('--human-prefix <text>', 'stands before `sub`')
      .option('--origin <origin...>', 'the only web origins that may use it')
      .option('--limit <type=value>', 'what a new user may use at first; may be given several times', limits)
      .option('--unlimited', 'new users have no limits'),
    'gatehouse keys create-publishable app --issuer https://id.example.com/ --audience app --limit request_cnt=100',
  ).action(async (name: string, options: object) => (await load()).createPublishableKey(name, options));
  examples(
    caller(keys.command('get').description('One key, without its secret.').argument('<keyId>')),
    'gatehouse keys get key_…',
  ).action(async (keyId: string, options: Caller) => (await load()).getKey(keyId, options));
  examples(
    caller(keys.command('rotate').description('Give a key a new secret, which is shown once; its id stays.'))
      .argument('<keyId>')
      .option('--grace <seconds>', 'how long the old secret still works', wholeNumber),
    'gatehouse keys rotate key_… --grace 3600',
  ).action(async (keyId: string, options: Caller) => (await load()).rotateKey(keyId, options));
  examples(
    caller(keys.command('revoke').description('End a key for good.').argument('<keyId>')),
    'gatehouse keys revoke key_…',
  ).action(async (keyId: string, options: Caller) => (await load()).revokeKey(keyId, options));
}

function addTenants(gatehouse: Command): void {
  const tenants = gatehouse.command('tenants').description("The org's tenants, by a running service.");
  const load = () => import('./tenants.commands.js');
  examples(caller(listing(tenants.command('list').description('Newest first.'))), 'gatehouse tenants list').action(
    async (options: Caller & { most: number }) => (await load()).listTenants(options),
  );
  examples(
    caller(tenants.command('create').description('Make another tenant of the org.').argument('<name>')),
    'gatehouse tenants create Staging',
  ).action(async (name: string, options: Caller) => (await load()).createTenant(name, options));
  examples(
    caller(tenants.command('switch').description('Have your next token be for this tenant.').argument('<tenantId>')),
    'gatehouse tenants switch acme-a1b2c3',
  ).action(async (tenantId: string, options: Caller) => (await load()).switchTenant(tenantId, options));
  examples(
    caller(tenants.command('delete').description('Delete a tenant with all that it has, for good.'))
      .argument('<tenantId>')
      .requiredOption('--name <name>', 'its name, typed exactly'),
    'gatehouse tenants delete acme-a1b2c3 --name Staging',
  ).action(async (tenantId: string, options: Caller & { name: string }) =>
    (await load()).deleteTenant(tenantId, options),
  );
}

function addProviders(gatehouse: Command): void {
  const providers = gatehouse.command('providers').description("The tenant's model providers, by a running service.");
  const load = () => import('./providers.commands.js');
  examples(caller(listing(providers.command('list').description('Newest first.'))), 'gatehouse providers list').action(
    async (options: Caller & { most: number }) => (await load()).listProviders(options),
  );
  examples(
    caller(providers.command('create').description('Set up a provider.'))
      .argument('<name>')
      .requiredOption('--kind <kind>', 'openai, openai_compatible, azure_openai, anthropic, google, mistral, …')
      .option('--base-url <url>', 'where it is; absent: where the kind is at home')
      .option('--model <model...>', 'the only models that calls may name')
      .option('--api-key-stdin', 'read its API key from standard input'),
    'printf %s "$OPENAI_API_KEY" | gatehouse providers create openai --kind openai --api-key-stdin',
    'gatehouse providers create ollama --kind openai_compatible --base-url http://127.0.0.1:11434/v1',
  ).action(async (name: string, options: Caller & { kind: string }) => (await load()).createProvider(name, options));
  examples(
    caller(providers.command('test').description('Make the cheapest real call, and say what the provider said.'))
      .argument('<providerId>')
      .option('--model <model>', 'ask this model for a few tokens'),
    'gatehouse providers test provider_…',
  ).action(async (providerId: string, options: Caller) => (await load()).testProvider(providerId, options));
  for (const [verb, enabled] of [
    ['enable', true],
    ['disable', false],
  ] as const) {
    examples(
      caller(providers.command(verb).description(`Have calls go there ${enabled ? 'again' : 'no more'}.`)).argument(
        '<providerId>',
      ),
      `gatehouse providers ${verb} provider_…`,
    ).action(async (providerId: string, options: Caller) =>
      (await load()).enableProvider(providerId, options, enabled),
    );
  }
  examples(
    caller(providers.command('delete').description('Take a provider away.').argument('<providerId>')),
    'gatehouse providers delete provider_…',
  ).action(async (providerId: string, options: Caller) => (await load()).deleteProvider(providerId, options));
}

interface InitOptions extends Output {
  readonly file: string;
}
