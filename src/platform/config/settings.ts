import { z } from 'zod';

/**
 * Every setting there is: its variable, its type, its default and what it means. The documentation, `.env.example` and
 * the warning about unknown settings come from here. Names that other products made standard keep them; ours begin with
 * GATEHOUSE_.
 */

const integer = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d+$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`);

const url = (...protocols: string[]): z.ZodType<string> =>
  z.string().refine(
    (value) => {
      const parsed = URL.canParse(value) ? new URL(value) : null;
      return parsed !== null && protocols.includes(parsed.protocol);
    },
    `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  );

const list: z.ZodType<readonly string[]> = z.string().transform((value) =>
  value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const flag: z.ZodType<boolean> = z
  .enum(['0', '1', 'true', 'false'], 'must be 1 or 0')
  .transform((value) => value === '1' || value === 'true');

const peppers: z.ZodType<readonly Pepper[]> = z.string().transform((value, context) => {
  const parsed: Pepper[] = [];
  for (const part of value.split(',')) {
    const match = /^\s*(\d{1,9}):([A-Za-z0-9_-]+={0,2})\s*$/.exec(part);
    const secret = Buffer.from(match?.[2] ?? '', 'base64url');
    if (match === null || secret.length < 32) {
      context.addIssue(
        'must be `version:secret` pairs separated by commas, each secret at least 32 bytes in base64url',
      );
      return z.NEVER;
    }
    parsed.push({ version: Number(match[1]), secret });
  }
  if (new Set(parsed.map(({ version }) => version)).size !== parsed.length) {
    context.addIssue('names a version twice');
    return z.NEVER;
  }
  return parsed;
});

/** A secret that keys are stored under; the first of the list is the one for new keys. */
export interface Pepper {
  readonly version: number;
  readonly secret: Buffer;
}

export interface SettingDefinition<T = unknown> {
  readonly variable: string;
  readonly group: string;
  readonly description: string;
  readonly schema: z.ZodType<T>;
  /** As it would be written in the environment; absent: unset. */
  readonly fallback?: string;
  /** What the documentation shows where the default depends on the mode. */
  readonly fallbackNote?: string;
  readonly secret?: true;
  readonly requiredInProduction?: true;
}

function setting<T, F extends string | undefined = undefined>(
  definition: Omit<SettingDefinition<T>, 'fallback'> & { fallback?: F },
): SettingDefinition<F extends string ? T : T | undefined> {
  return definition as SettingDefinition<F extends string ? T : T | undefined>;
}

const group = <const G extends string>(name: G) => ({
  define: <T, F extends string | undefined = undefined>(
    variable: string,
    schema: z.ZodType<T>,
    description: string,
    options: { fallback?: F; fallbackNote?: string; secret?: true; requiredInProduction?: true } = {},
  ) => setting<T, F>({ variable, group: name, description, schema, ...options }),
});

const service = group('Service').define;
const database = group('Database').define;
const secrets = group('Secrets').define;
const signIn = group('Dashboard sign-in').define;
const providers = group('Providers').define;
const limits = group('Limits and timeouts').define;
const ledger = group('Ledger').define;

export const SETTINGS = {
  port: service('PORT', integer(0, 65535), 'Port of the API.', { fallback: '3000' }),
  host: service('HOST', z.string().min(1), 'Address that the API listens on.', {
    fallbackNote: '`127.0.0.1` in development, `0.0.0.0` in production',
  }),
  publicUrl: service(
    'PUBLIC_URL',
    url('http:', 'https:'),
    'Address that clients reach the service at, if it is another.',
  ),
  metricsPort: service('METRICS_PORT', integer(0, 65535), 'Port of `/metrics`, apart from the API; 0 turns it off.', {
    fallback: '9464',
  }),
  metricsHost: service('METRICS_HOST', z.string().min(1), 'Address that `/metrics` listens on.', {
    fallback: '127.0.0.1',
  }),
  logLevel: service(
    'LOG_LEVEL',
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']),
    'Least severe level logged.',
    {
      fallback: 'info',
    },
  ),
  development: service(
    'GATEHOUSE_DEV',
    flag,
    'Development mode although `DATABASE_URL` is set: a development issuer, generated secrets, a first org. Without ' +
      '`DATABASE_URL` it is always on.',
    { fallback: '0' },
  ),
  home: service('GATEHOUSE_HOME', z.string().min(1), 'Folder of the embedded Postgres and of development secrets.', {
    fallback: '.gatehouse',
  }),
  drainSeconds: service(
    'GATEHOUSE_DRAIN_SECONDS',
    integer(0, 3600),
    'How long open calls may go on after SIGTERM before they are ended and settled.',
    { fallback: '25' },
  ),

  databaseUrl: database(
    'DATABASE_URL',
    url('postgres:', 'postgresql:'),
    'Postgres, by its owner: applies migrations. Unset: an embedded one, in development mode.',
    {
      requiredInProduction: true,
      secret: true,
    },
  ),
  databaseAppUrl: database(
    'DATABASE_APP_URL',
    url('postgres:', 'postgresql:'),
    'The same Postgres by a login of its own for everything but migrations, a member of `gatehouse_app`; needed behind a ' +
      "pooler. Unset: `DATABASE_URL`'s login, each connection switched to the role `gatehouse_app` as it opens.",
    { secret: true },
  ),
  databaseDirectUrl: database(
    'DATABASE_DIRECT_URL',
    url('postgres:', 'postgresql:'),
    'The same Postgres past any transaction pooler, for LISTEN. Unset: the address used for everything else.',
    { secret: true },
  ),
  databasePoolSize: database('DATABASE_POOL_SIZE', integer(2, 500), 'Most connections that one process opens.', {
    fallback: '10',
  }),
  redisUrl: database(
    'REDIS_URL',
    url('redis:', 'rediss:'),
    'Redis or Valkey that counts request windows. Unset: Postgres does.',
    {
      secret: true,
    },
  ),

  peppers: secrets(
    'GATEHOUSE_PEPPERS',
    peppers,
    'Secrets that API keys are hashed with: `version:secret` pairs separated by commas, the one for new keys first, each secret at least ' +
      '32 bytes in base64url. To rotate, add one of a higher version behind, deploy, and put it in front; keys move to it as they are used.',
    { requiredInProduction: true, secret: true },
  ),
  signingKeys: secrets(
    'GATEHOUSE_SIGNING_KEYS',
    z.string().min(1),
    'Private keys (PEM, PKCS#8, EC P-256) that sign what the platform issues: the first signs, all verify. Several stand ' +
      'one after the other. `\\n` stands for a line break.',
    { requiredInProduction: true, secret: true },
  ),

  firebaseProjectId: signIn(
    'FIREBASE_PROJECT_ID',
    z.string().regex(/^[a-z0-9-]{4,64}$/, 'must be a Firebase project id'),
    "Firebase project whose ID tokens are the dashboard's.",
    { requiredInProduction: true },
  ),
  firebaseServiceAccount: signIn(
    'FIREBASE_SERVICE_ACCOUNT',
    z.string().min(1),
    "Service account (JSON, or a path to it) that writes claims. Unset: the machine's own Google credentials.",
    { secret: true },
  ),
  firebaseJwksUrl: signIn(
    'FIREBASE_JWKS_URL',
    url('https:', 'http:'),
    'Where the keys of Firebase ID tokens are fetched.',
    {
      fallback: 'https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com',
    },
  ),
  firebaseEmulatorHost: signIn(
    'FIREBASE_AUTH_EMULATOR_HOST',
    z.string().min(1),
    "Refused in production, and for a project whose id does not begin with `demo-`: the emulator's tokens are unsigned.",
  ),

  openaiApiKey: providers('OPENAI_API_KEY', z.string().min(1), "The platform's own key at the provider.", {
    secret: true,
  }),
  openaiBaseUrl: providers('OPENAI_BASE_URL', url('http:', 'https:'), 'Any OpenAI-compatible server.', {
    fallback: 'https://api.openai.com/v1',
  }),
  openaiModels: providers(
    'OPENAI_MODELS',
    list,
    "Models served from there, separated by commas. Unset: what the provider's own `/models` lists.",
  ),
  platformProviderTenants: providers(
    'PLATFORM_PROVIDER_TENANTS',
    list,
    "Tenants that may spend the platform's own provider credentials. In development the quickstart tenant is one.",
    { fallback: '' },
  ),
  dummyProvider: providers(
    'GATEHOUSE_DUMMY_PROVIDER',
    z.enum(['auto', 'on', 'off']),
    'The built-in provider `dummy`, which echoes: `auto` has it in development where no other provider is configured.',
    { fallback: 'auto' },
  ),

  bodyLimitBytes: limits('GATEHOUSE_BODY_LIMIT_BYTES', integer(1024, 1024 ** 3), 'Largest request body, in bytes.', {
    fallback: String(20 * 1024 * 1024),
  }),
  requestsPerMinute: limits(
    'GATEHOUSE_REQUESTS_PER_MINUTE',
    integer(1, 1_000_000_000),
    'Requests a minute of a key that has no limit of its own, and of a signed-in user.',
    {
      fallback: '1000',
    },
  ),
  rateWindowSeconds: limits('GATEHOUSE_RATE_WINDOW_SECONDS', integer(1, 3600), 'Length of the request window.', {
    fallback: '60',
  }),
  headerTimeoutMs: limits(
    'GATEHOUSE_HEADER_TIMEOUT_MS',
    integer(100, 600_000),
    "Longest wait for a request's headers.",
    {
      fallback: '10000',
    },
  ),
  connectTimeoutMs: limits(
    'GATEHOUSE_CONNECT_TIMEOUT_MS',
    integer(10, 600_000),
    'Longest wait for a connection to a provider.',
    {
      fallback: '5000',
    },
  ),
  firstByteTimeoutMs: limits(
    'GATEHOUSE_FIRST_BYTE_TIMEOUT_MS',
    integer(10, 3_600_000),
    "Longest wait for a provider's answer to begin.",
    {
      fallback: '60000',
    },
  ),
  idleTimeoutMs: limits(
    'GATEHOUSE_IDLE_TIMEOUT_MS',
    integer(10, 3_600_000),
    "Longest silence within a provider's answer.",
    {
      fallback: '120000',
    },
  ),
  totalTimeoutMs: limits(
    'GATEHOUSE_TOTAL_TIMEOUT_MS',
    integer(10, 86_400_000),
    'Longest call to a provider as a whole.',
    {
      fallback: '600000',
    },
  ),
  credentialCacheEntries: limits(
    'GATEHOUSE_CREDENTIAL_CACHE_ENTRIES',
    integer(1, 10_000_000),
    'Most credentials kept in memory.',
    {
      fallback: '100000',
    },
  ),

  leaseSeconds: ledger(
    'GATEHOUSE_LEASE_SECONDS',
    integer(1, 3600),
    "How long a process's reservations stay its own after its last sign of life. It renews every quarter of that.",
    { fallback: '20' },
  ),
  sweepSeconds: ledger(
    'GATEHOUSE_SWEEP_SECONDS',
    integer(1, 3600),
    'How often what dead processes left is looked for.',
    { fallback: '10' },
  ),
  ledgerQueueLimit: ledger(
    'GATEHOUSE_LEDGER_QUEUE_LIMIT',
    integer(1, 10_000_000),
    'Most settlements that wait for the database; beyond it new calls answer 503.',
    { fallback: '10000' },
  ),
} as const;

export type SettingName = keyof typeof SETTINGS;

type ValueOf<D> = D extends SettingDefinition<infer T> ? T : never;

/** Settings as read, before the mode's own defaults. */
export type RawSettings = { readonly [N in SettingName]: ValueOf<(typeof SETTINGS)[N]> };
