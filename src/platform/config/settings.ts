import { z } from 'zod';
import { BODY_SETTINGS } from './body-settings.js';
import { COMMAND_LINE_SETTINGS } from './command-line-settings.js';
import { configuredModels } from './configured-models.js';
import { DASHBOARD_SETTINGS, OIDC_SIGN_IN_SETTINGS } from './dashboard-settings.js';
import { DATABASE_SETTINGS } from './database-settings.js';
import { LEDGER_SETTINGS } from './ledger-settings.js';
import { SECRET_SETTINGS } from './secret-settings.js';
import { RESPONSES_SETTINGS } from './responses-settings.js';
import { ROUTE_SETTINGS } from './route-settings.js';
import { SEALED_SETTINGS } from './sealed-settings.js';
import { SHARE_SETTINGS } from './share-settings.js';
import { cidrs, flag, group, integer, list, url, type SettingDefinition } from './setting-definition.js';
import { TRACING_SETTINGS } from './tracing-settings.js';
import { WEBHOOK_SETTINGS } from './webhook-settings.js';

/**
 * Every setting there is: its variable, its type, its default and what it means. The documentation, `.env.example` and
 * the warning about unknown settings come from here. Names that other products made standard keep them; ours begin with
 * GATEHOUSE_.
 */

const service = group('Service').define;
const signIn = group('Dashboard sign-in').define;
const endUsers = group('End users').define;
const network = group('Network').define;
const providers = group('Providers').define;
const limits = group('Limits and timeouts').define;

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
  documentation: service(
    'GATEHOUSE_DOCUMENTATION',
    flag,
    'Whether `/docs`, `/openapi.json` and `/openapi.yaml` are served. They hold no tenant data; 0 hides the API from people who do ' +
      'not know it.',
    { fallback: '1' },
  ),
  lameDuckSeconds: service(
    'GATEHOUSE_LAME_DUCK_SECONDS',
    integer(0, 300),
    'How long the service still takes requests after SIGTERM, while `/health/ready` already answers 503: longer than a load ' +
      'balancer needs to see that and to stop sending.',
    { fallbackNote: '`5` in production, `0` in development' },
  ),
  drainSeconds: service(
    'GATEHOUSE_DRAIN_SECONDS',
    integer(0, 3600),
    'How long open calls may go on after that before they are ended and settled, and how long settlements wait for a database ' +
      'that cannot be reached.',
    { fallback: '25' },
  ),

  ...TRACING_SETTINGS,

  ...DATABASE_SETTINGS,

  ...SECRET_SETTINGS,

  ...DASHBOARD_SETTINGS,

  firebaseProjectId: signIn(
    'FIREBASE_PROJECT_ID',
    z.string().regex(/^[a-z0-9-]{4,64}$/, 'must be a Firebase project id'),
    "Firebase project whose ID tokens are the dashboard's. Production needs it or a DASHBOARD_OIDC_ISSUER.",
  ),
  firebaseServiceAccount: signIn(
    'FIREBASE_SERVICE_ACCOUNT',
    z.string().min(1),
    'Service account (JSON, or a path to it) that writes claims and reads whether users are disabled: without it no user ' +
      "can sign in. Unset: the machine's own Google credentials.",
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

  ...OIDC_SIGN_IN_SETTINGS,

  accountCheckSeconds: signIn(
    'GATEHOUSE_ACCOUNT_CHECK_SECONDS',
    integer(1, 60),
    'How long an answer about whether a Firebase user is disabled or revoked is used; then Firebase is asked again ' +
      'before the next request of that user, which is answered 503 if Firebase cannot be reached.',
    { fallback: '50' },
  ),
  dashboardUrl: signIn(
    'DASHBOARD_URL',
    url('http:', 'https:'),
    'Where people reach the dashboard: the links of invitations lead there. Unset: `PUBLIC_URL`; without that an invitation has its token alone in production, and in development a link to where the request came to.',
  ),

  publishableDefaultIssuer: endUsers(
    'PUBLISHABLE_DEFAULT_ISSUER',
    z.enum(['none', 'platform'], 'must be none or platform'),
    "Which user tokens a publishable key without an `oidc_config` accepts: none, or those of the dashboard's issuer that carry " +
      "the key's tenant.",
    { fallback: 'none' },
  ),

  trustedProxies: network(
    'TRUSTED_PROXIES',
    cidrs,
    'CIDR ranges of the proxies in front of the service. `X-Forwarded-For` is used only when it comes from these.',
    { fallback: '' },
  ),
  outboundAllowCidrs: network(
    'OUTBOUND_ALLOW_CIDRS',
    cidrs,
    'Private CIDR ranges that tenant-supplied URLs (issuers, webhooks, providers) may resolve to; see decision 0007.',
    { fallback: '' },
  ),

  openaiApiKey: providers('OPENAI_API_KEY', z.string().min(1), "The platform's own API key at the model provider.", {
    secret: true,
  }),
  openaiBaseUrl: providers('OPENAI_BASE_URL', url('http:', 'https:'), 'Any OpenAI-compatible server.', {
    fallback: 'https://api.openai.com/v1',
  }),
  openaiModels: providers(
    'OPENAI_MODELS',
    list,
    "Models served from there, separated by commas; calls that name another model are refused. Unset: calls may name any model, and `/v1/models` shows the provider's own list.",
  ),
  ...RESPONSES_SETTINGS,
  platformProviderTenants: providers(
    'PLATFORM_PROVIDER_TENANTS',
    list,
    "Tenants that may spend the platform's own provider credentials, or `*` for all of them. In development the quickstart tenant is one.",
    { fallback: '' },
  ),
  openGateways: providers(
    'GATEHOUSE_OPEN_GATEWAYS',
    z.enum(['off', 'on'], 'must be off or on'),
    'Whether tenants may have gateways that can be called without a token (`authenticated: false`), within the limits that such a gateway must have. `off` also refuses callers of existing ones.',
    { fallback: 'off' },
  ),
  dummyProvider: providers(
    'GATEHOUSE_DUMMY_PROVIDER',
    z.enum(['auto', 'on', 'off']),
    'The built-in provider `dummy`, which echoes. `auto`: only in development, if no other provider is configured.',
    { fallback: 'auto' },
  ),
  models: providers(
    'GATEHOUSE_MODELS',
    configuredModels,
    'Models beside the built-in ones, or instead of them, as a JSON array: `id`, `context_tokens`, `max_output_tokens`, and ' +
      'optionally `family` (its tokenizer; `unknown`), `output_field` (`max_tokens`), `hides_reasoning` (`true`: it thinks in tokens that it does not show) and `price`: `input`, `cached_input`, `cache_write`, `output` in ' +
      'dollars for a million tokens, `as_of` a date. A caller with a cost limit cannot use a model without a price.',
    { fallback: '[]' },
  ),

  ...BODY_SETTINGS,
  requestsPerMinute: limits(
    'GATEHOUSE_REQUESTS_PER_MINUTE',
    integer(1, 1_000_000_000),
    'Requests a minute of a key without its own limit, and of a signed-in user.',
    {
      fallback: '1000',
    },
  ),
  requestsPerMinutePerHuman: limits(
    'GATEHOUSE_REQUESTS_PER_MINUTE_PER_HUMAN',
    integer(1, 1_000_000_000),
    'Requests a minute of one end user of a publishable key without its own limit.',
    { fallback: '60' },
  ),
  failedAuthenticationsPerMinute: limits(
    'GATEHOUSE_FAILED_AUTHENTICATIONS_PER_MINUTE',
    integer(1, 1_000_000_000),
    'Failed authentications a minute from one address (IPv6: one /64); further failures answer 429, valid credentials pass.',
    { fallback: '30' },
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
    "Longest that a caller waits for a provider's answer to begin.",
    {
      fallback: '60000',
    },
  ),
  idleTimeoutMs: limits(
    'GATEHOUSE_IDLE_TIMEOUT_MS',
    integer(10, 3_600_000),
    "Longest silence within a provider's answer, and within the body of a request.",
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

  ...LEDGER_SETTINGS,
  ...SEALED_SETTINGS,
  ...SHARE_SETTINGS,
  ...ROUTE_SETTINGS,
  ...WEBHOOK_SETTINGS,
  ...COMMAND_LINE_SETTINGS,
} as const;

export type SettingName = keyof typeof SETTINGS;

type ValueOf<D> = D extends SettingDefinition<infer T> ? T : never;

/** Settings as read, before the mode's own defaults. */
export type RawSettings = { readonly [N in SettingName]: ValueOf<(typeof SETTINGS)[N]> };
