import { OperatorError } from '../errors/index.js';
import path from 'node:path';
import { problemsOfTls, withAuthority } from './database-tls.js';
import { isLoopback, type EncryptionKey, type Pepper, type SettingDefinition } from './setting-definition.js';
import { SETTINGS, type RawSettings, type SettingName } from './settings.js';

type Mode = 'development' | 'production';

/** What was configured, with the mode's defaults filled in; in development some of it is still to be made. */
export type ConfiguredSettings = Omit<RawSettings, 'host' | 'home' | 'development' | 'lameDuckSeconds'> & {
  readonly mode: Mode;
  readonly host: string;
  readonly lameDuckSeconds: number;
  /** Absolute. */
  readonly home: string;
};

/** What the service runs on: everything is there. */
export type Settings = ConfiguredSettings & {
  readonly databaseUrl: string;
  /** True where the database is the embedded one, which has this one process by nature. */
  readonly embeddedDatabase: boolean;
  readonly peppers: readonly Pepper[];
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly signingKeys: string;
};

/** The injection token of {@link Settings}. */
export const SETTINGS_TOKEN = Symbol('Settings');

/** Everything that is wrong with the configuration, told at once. */
export class ConfigurationError extends OperatorError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is incomplete or wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}

export interface LoadedSettings {
  readonly settings: ConfiguredSettings;
  readonly warnings: readonly string[];
}

/**
 * Reads the settings from an environment. An empty variable counts as unset. Development mode exists only without
 * DATABASE_URL, or with GATEHOUSE_DEV=1: a named database is production unless the operator says otherwise, whatever NODE_ENV
 * says.
 * @throws ConfigurationError with all problems together
 */
export function loadSettings(environment: Readonly<Record<string, string | undefined>>): LoadedSettings {
  const problems: string[] = [];
  const raw = readSettings(environment, Object.keys(SETTINGS) as SettingName[], problems);
  const mode = modeOf(environment);
  if (mode === 'production') {
    const required = (Object.values(SETTINGS) as SettingDefinition[]).filter((setting) => setting.requiredInProduction);
    for (const { variable, description } of required) {
      if (!environment[variable]) problems.push(`${variable} is missing. ${description}`);
    }
  }
  problems.push(...signInProblems(raw, mode, Boolean(environment['FIREBASE_PROJECT_ID'])));
  if (raw.firebaseEmulatorHost !== undefined) {
    if (mode === 'production')
      problems.push('FIREBASE_AUTH_EMULATOR_HOST must not be set in production: its tokens are unsigned');
    else if (!raw.firebaseProjectId?.startsWith('demo-')) {
      problems.push('FIREBASE_AUTH_EMULATOR_HOST needs a FIREBASE_PROJECT_ID that begins with demo-');
    }
  }
  // One that could not be read is named already.
  const origins = (raw as Partial<RawSettings>).sealedAllowedOrigins ?? [];
  if (mode === 'production' && origins.some((origin) => !origin.startsWith('https:')))
    problems.push('SEALED_ALLOWED_ORIGINS must hold https:// origins alone in production: secrets are sent there');
  const { databaseUrl, databaseAppUrl, databaseDirectUrl, databaseBackupUrl } = raw as Partial<RawSettings>;
  problems.push(
    ...problemsOfTls({
      DATABASE_URL: databaseUrl,
      DATABASE_APP_URL: databaseAppUrl,
      DATABASE_DIRECT_URL: databaseDirectUrl,
      DATABASE_BACKUP_URL: databaseBackupUrl,
    }),
  );
  if (problems.length > 0) throw new ConfigurationError(problems);

  const { development: _development, home, host, lameDuckSeconds, ...rest } = raw;
  return {
    settings: Object.freeze({
      ...rest,
      ...verified(raw),
      mode,
      home: path.resolve(home),
      lameDuckSeconds: lameDuckSeconds ?? (mode === 'development' ? 0 : 5),
      host: host ?? (mode === 'development' ? '127.0.0.1' : '0.0.0.0'),
    }),
    warnings: [
      ...unknownVariables(environment).map((variable) => `${variable} is not a setting of Gatehouse and has no effect`),
      ...(mode === 'development' && raw.dashboardOidcIssuer !== undefined
        ? ['DASHBOARD_OIDC_ISSUER has no effect in development mode, whose own issuer signs people in']
        : []),
      ...(mode === 'production' && raw.dashboardOidcIssuer === undefined && !knowsAccounts(raw, environment)
        ? [
            'FIREBASE_SERVICE_ACCOUNT is not set, and neither is GOOGLE_APPLICATION_CREDENTIALS: outside Google Cloud no user can sign in to the dashboard (503)',
          ]
        : []),
    ],
  };
}

/** The addresses, each with the authority that its server is held to. */
function verified(raw: RawSettings): Partial<RawSettings> {
  const { databaseCaFile: file } = raw;
  if (file === undefined) return {};
  const names = ['databaseUrl', 'databaseAppUrl', 'databaseDirectUrl', 'databaseBackupUrl'] as const;
  return Object.fromEntries(
    names.flatMap((name) => {
      const address = raw[name];
      return address === undefined ? [] : [[name, withAuthority(address, path.resolve(file))]];
    }),
  );
}

function readSettings<const N extends SettingName>(
  environment: Readonly<Record<string, string | undefined>>,
  names: readonly N[],
  problems: string[],
): Pick<RawSettings, N> {
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of names) {
    const definition: SettingDefinition = SETTINGS[name];
    const text = environment[definition.variable] || definition.fallback;
    if (text === undefined) continue;
    const parsed = definition.schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    // The value itself stays out of the message: it may be a secret.
    else problems.push(`${definition.variable} ${parsed.error.issues[0]?.message ?? 'is not valid'}`);
  }
  return values as Pick<RawSettings, N>;
}

/**
 * By what was named, not by what could be read of it: a mistyped address must not turn production into development.
 */
function modeOf(environment: Readonly<Record<string, string | undefined>>): Mode {
  const asked = environment['GATEHOUSE_DEV'];
  if (asked === '1' || asked === 'true') return 'development';
  if (asked) return 'production';
  const named = ['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_DIRECT_URL'].some((variable) => environment[variable]);
  return named ? 'production' : 'development';
}

/** Of the dashboard's issuer, where it is not Firebase. */
function signInProblems(raw: Partial<RawSettings>, mode: Mode, hasFirebase: boolean): string[] {
  const { dashboardOidcIssuer: issuer, dashboardOidcAudience: audience, dashboardOidcClientId: clientId } = raw;
  if (issuer === undefined) {
    const { variable, description } = SETTINGS.firebaseProjectId;
    return [
      ...(mode === 'production' && !hasFirebase ? [`${variable} is missing. ${description}`] : []),
      ...(audience === undefined ? [] : ['DASHBOARD_OIDC_AUDIENCE needs a DASHBOARD_OIDC_ISSUER']),
      ...(clientId === undefined ? [] : ['DASHBOARD_OIDC_CLIENT_ID needs a DASHBOARD_OIDC_ISSUER']),
    ];
  }
  const { protocol, hostname } = new URL(issuer);
  return [
    ...(audience === undefined ? ['DASHBOARD_OIDC_ISSUER needs a DASHBOARD_OIDC_AUDIENCE'] : []),
    ...(mode === 'production' && hasFirebase
      ? [
          'FIREBASE_PROJECT_ID and DASHBOARD_OIDC_ISSUER must not both be set: users are known by their subject, which two issuers may give to two people',
        ]
      : []),
    ...(protocol !== 'https:' && !isLoopback(hostname)
      ? ['DASHBOARD_OIDC_ISSUER must begin with https://, except on this machine']
      : []),
  ];
}

/** Whether Firebase can be asked for a user's account. */
function knowsAccounts(
  { firebaseServiceAccount }: Partial<RawSettings>,
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  return firebaseServiceAccount !== undefined || Boolean(environment['GOOGLE_APPLICATION_CREDENTIALS']);
}

function unknownVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set<string>(Object.values(SETTINGS).map(({ variable }) => variable));
  return Object.keys(environment)
    .filter((variable) => variable.startsWith('GATEHOUSE_') && !known.has(variable))
    .sort();
}

/** The one place that reads the process's environment; a `.env` file in the working folder fills what is unset there. */
export function loadProcessSettings(): LoadedSettings {
  return loadSettings(processEnvironment());
}

/** What a command needs that only talks to a running service: it may stand on a machine without the service's secrets. */
export type ClientSettings = Pick<RawSettings, 'commandUrl' | 'commandToken' | 'publicUrl' | 'port'> & {
  readonly mode: Mode;
  /** Absolute. */
  readonly home: string;
};

/** @throws ConfigurationError */
export function loadClientSettings(): ClientSettings {
  const environment = processEnvironment();
  const problems: string[] = [];
  const raw = readSettings(environment, ['commandUrl', 'commandToken', 'publicUrl', 'port', 'home'], problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { ...raw, mode: modeOf(environment), home: path.resolve(raw.home) };
}

/** For a program that a command runs: what says where things are, and none of the service's secrets. */
export function programEnvironment(own: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(([name]) => /^(?:PATH|HOME|LANG|LC_|TZ|PG)/.test(name));
  return { ...Object.fromEntries(passed), ...own };
}

function processEnvironment(): Readonly<Record<string, string | undefined>> {
  try {
    process.loadEnvFile('.env');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return process.env;
}
