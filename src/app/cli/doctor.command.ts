import { Redis } from 'ioredis';
import { fetchIssuerKeys } from '../../identity/index.js';
import { findPepperProblems } from '../../keys/index.js';
import {
  ConfigurationError,
  loadProcessSettings,
  type ConfiguredSettings,
  type Settings,
} from '../../platform/config/index.js';
import { parseSigningKeys, PepperRing } from '../../platform/crypto/index.js';
import { appSetting, Database, inspectDatabase, Revocations, type Finding } from '../../platform/database/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import { findingsAsText, show, type OutputOptions } from './command-output.js';
import { DATABASE_SOURCES, withCompleted } from './operator-settings.js';

const ANSWER_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const READING = 'docs/configuration.md explains each setting.';

/** Looks at everything that the service needs, says what is wrong and how to mend it, and changes nothing. */
export async function doctor(options: OutputOptions): Promise<void> {
  const findings = await examine();
  const failed = findings.filter(({ status }) => status === 'failed').length;
  const warned = findings.filter(({ status }) => status === 'warning').length;
  show(options, { healthy: failed === 0, findings }, () => {
    const end = failed === 0 ? 'Nothing is wrong' : `${failed} failed`;
    return `${findingsAsText(findings)}\n\n${end}${warned === 0 ? '' : `, ${warned} to look at`}.`;
  });
  if (failed > 0) process.exitCode = 1;
}

async function examine(): Promise<Finding[]> {
  const findings: Finding[] = [];
  const configured = configuration(findings);
  if (configured === null) return findings;
  try {
    await withCompleted(configured, async (settings) => {
      findings.push(signingKeys(settings));
      const ofDatabase = await inspectDatabase(settings.databaseUrl, DATABASE_SOURCES, settings.databaseRolePrefix);
      findings.push(...ofDatabase);
      // Before the migrations there is no role to connect as.
      const isUsable = ofDatabase.every(({ check, status }) => check === 'clocks' || status !== 'failed');
      if (isUsable) findings.push(...(await asTheService(settings)));
    });
  } catch (error) {
    findings.push({
      check: 'database',
      status: 'failed',
      message: (error as Error).message,
    });
  }
  findings.push(...(await redis(configured)), ...(await providers(configured)));
  return findings;
}

/** Null: too much is wrong to look further. */
function configuration(findings: Finding[]): ConfiguredSettings | null {
  const check = 'configuration';
  try {
    const { settings, warnings } = loadProcessSettings();
    const message =
      settings.databaseUrl === undefined
        ? 'DATABASE_URL is not set: a start is development mode on the embedded Postgres. For production set it.'
        : `Complete, for ${settings.mode} on DATABASE_URL.`;
    findings.push({ check, status: 'ok', message });
    for (const warning of warnings) {
      findings.push({
        check,
        status: 'warning',
        message: `${warning}.`,
        fix: warning.endsWith('no effect') ? `Look for a misspelling: ${READING}` : READING,
      });
    }
    return settings;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const problem of error.problems) {
      const fix = `Set it in the environment or in .env; \`gatehouse init\` makes secrets. ${READING}`;
      findings.push({ check, status: 'failed', message: `${problem.replace(/\.$/, '')}.`, fix });
    }
    return null;
  }
}

function signingKeys(settings: Settings): Finding {
  try {
    const { length } = parseSigningKeys(settings.signingKeys);
    return { check: 'secrets', status: 'ok', message: `GATEHOUSE_SIGNING_KEYS can be read: ${length}.` };
  } catch (error) {
    const fix = 'Make one by `gatehouse init --file new.env`, and copy it from there.';
    return { check: 'secrets', status: 'failed', message: (error as Error).message, fix };
  }
}

/** By the login that the service has, not by the owner's. */
async function asTheService(settings: Settings): Promise<Finding[]> {
  const database = new Database(settings);
  const revocations = new Revocations(settings);
  const { hostname, port } = new URL(settings.databaseAppUrl ?? settings.databaseUrl);
  const fix = `Look at ${appSetting(settings)}, which leads to ${hostname}:${port || '5432'}.`;
  try {
    const login = await attempt('login', 'The service is bound by row-level security.', fix, () =>
      database.assertConfined(),
    );
    // The others go by the same login.
    if (login.status === 'failed') return [login];
    return [
      login,
      await attempt('revocations', 'LISTEN/NOTIFY comes round.', READING, () => revocations.start()),
      ...(await peppers(database, settings)),
    ];
  } finally {
    await revocations.onApplicationShutdown();
    await database.close();
  }
}

async function peppers(database: Database, settings: Settings): Promise<Finding[]> {
  const check = 'peppers';
  const problems = await findPepperProblems(database, new PepperRing(settings.peppers));
  if (problems.length === 0)
    return [{ check, status: 'ok', message: 'Every live API key is hashed with one that is set.' }];
  return problems.map(({ message }) => {
    const [what = '', ...fix] = message.split(/(?<=[.:]) (?=[A-Z]|each)/);
    return { check, status: 'failed', message: what.replace(/:$/, '.'), fix: fix.join(' ') };
  });
}

async function attempt(check: string, good: string, fix: string, work: () => Promise<unknown>): Promise<Finding> {
  try {
    await work();
    return { check, status: 'ok', message: good };
  } catch (error) {
    return { check, status: 'failed', message: (error as Error).message, fix };
  }
}

async function redis({ redisUrl }: ConfiguredSettings): Promise<Finding[]> {
  if (redisUrl === undefined) return [];
  const client = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: ANSWER_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  const fix = 'Look whether Redis runs, and at REDIS_URL. Until it answers, Postgres counts request windows.';
  try {
    return [
      await attempt('redis', 'Redis answers.', fix, async () => {
        await client.connect();
        await client.ping();
      }),
    ];
  } finally {
    client.disconnect();
  }
}

/** The platform's own provider. Those of tenants are tested by `gatehouse providers test`. */
async function providers(settings: ConfiguredSettings): Promise<Finding[]> {
  const { openaiApiKey, openaiBaseUrl, firebaseProjectId, firebaseJwksUrl } = settings;
  const { dashboardOidcIssuer, dashboardOidcJwksUrl } = settings;
  const outbound = new OutboundHttp(settings);
  const ask = async (url: string, headers: Record<string, string> = {}): Promise<number> => {
    const { status } = await outbound.fetchJson(url, {
      timeoutMs: ANSWER_TIMEOUT_MS,
      maxBytes: MAX_ANSWER_BYTES,
      headers,
    });
    return status;
  };
  const findings: Finding[] = [];
  try {
    if (openaiApiKey === undefined && openaiBaseUrl === 'https://api.openai.com/v1') {
      findings.push({
        check: 'providers',
        status: 'ok',
        message: 'The platform has none of its own; tenants set up theirs.',
      });
    } else {
      const authorization: Record<string, string> =
        openaiApiKey === undefined ? {} : { authorization: `Bearer ${openaiApiKey}` };
      const fix = 'Look at OPENAI_BASE_URL and OPENAI_API_KEY.';
      findings.push(
        await attempt('providers', `${openaiBaseUrl} lists its models.`, fix, async () =>
          assertFine(`${openaiBaseUrl}/models`, await ask(`${openaiBaseUrl}/models`, authorization)),
        ),
      );
    }
    if (firebaseProjectId !== undefined) {
      const fix = 'Let this machine reach it, or set FIREBASE_JWKS_URL: without its keys no user can sign in.';
      findings.push(
        await attempt('sign-in', "Firebase's public keys can be fetched.", fix, async () =>
          assertFine(firebaseJwksUrl, await ask(firebaseJwksUrl)),
        ),
      );
    }
    if (dashboardOidcIssuer !== undefined) {
      const fix = 'Let this machine reach it, or set DASHBOARD_OIDC_JWKS_URL: without its keys no user can sign in.';
      const location = { issuer: dashboardOidcIssuer, jwksUri: dashboardOidcJwksUrl ?? null };
      findings.push(
        await attempt('sign-in', `The public keys of ${dashboardOidcIssuer} can be fetched.`, fix, async () => {
          await fetchIssuerKeys(location, outbound, 'operator');
        }),
      );
    }
    return findings;
  } finally {
    await outbound.onApplicationShutdown();
  }
}

function assertFine(url: string, status: number): void {
  if (status < 200 || status > 299) throw new OperatorError(`${url} answered ${status}.`);
}
