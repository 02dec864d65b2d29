/** Settings for specs that build a part of the service by hand. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { loadSettings, type Pepper, type Settings } from '../../src/platform/config/index.js';

const signingKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

/** No server listens there: a spec that sets no database reaches none. */
const NO_DATABASE = 'postgres://nobody@127.0.0.1:1/nowhere';

/** A pepper of this version, with a new secret. */
export function testPepper(version: number): Pepper {
  return { version, secret: randomBytes(32) };
}

const PEPPER = testPepper(1);
const ENCRYPTION_KEY = testPepper(1);

/** The environment of what tests start, with windows of a second and secrets made for this run. */
export function testEnvironment(): Record<string, string> {
  return {
    DATABASE_URL: NO_DATABASE,
    DATABASE_POOL_SIZE: '5',
    GATEHOUSE_PEPPERS: `${PEPPER.version}:${PEPPER.secret.toString('base64url')}`,
    GATEHOUSE_ENCRYPTION_KEYS: `${ENCRYPTION_KEY.version}:${ENCRYPTION_KEY.secret.toString('base64url')}`,
    GATEHOUSE_SIGNING_KEYS: signingKeys,
    FIREBASE_PROJECT_ID: 'demo-gatehouse-tests',
    METRICS_PORT: '0',
    GATEHOUSE_LEASE_SECONDS: '60',
    GATEHOUSE_SWEEP_SECONDS: '60',
    GATEHOUSE_RATE_WINDOW_SECONDS: '1',
    // Specs make many mistakes on purpose, all from one address. Specs about this limit set their own.
    GATEHOUSE_FAILED_AUTHENTICATIONS_PER_MINUTE: '1000000',
    // Specs that must never fill a request window give their keys this limit.
    GATEHOUSE_MOST_REQUESTS_PER_MINUTE: '1000000',
    GATEHOUSE_DRAIN_SECONDS: '1',
  };
}

/**
 * Settings as in production, read by the service's own loader. The replicas of one spec share pepper and signing key, as real
 * ones do.
 */
export function testSettings(overrides: Partial<Settings> = {}): Settings {
  const { settings } = loadSettings(testEnvironment());
  const { databaseUrl = NO_DATABASE, peppers = [PEPPER], encryptionKeys = [ENCRYPTION_KEY] } = settings;
  return { ...settings, databaseUrl, peppers, encryptionKeys, signingKeys, embeddedDatabase: false, ...overrides };
}
