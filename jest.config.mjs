/**
 * Packages that Node loads once in a worker, and Jest not again for each spec (test/support/jest-shared-packages.mjs). One
 * belongs here when it is large, keeps no state that a spec changes, and makes no plain objects, dates or errors that a spec
 * compares strictly, as those would be of another realm than the spec's own. Nor may it use `Reflect`, which has metadata in a
 * spec alone.
 */
const SHARED = ['@opentelemetry/api', 'gpt-tokenizer', 'ioredis', 'rxjs', 'semver', 'undici'];

/** The part of test/http that `npm run test:quick` runs: what each area does when all goes well. */
const HAPPY_PATHS = [
  'audit/list',
  'chat/client',
  'end-users/identity',
  'human-limits/granted',
  'humans/manage',
  'keys/manage',
  'limits/headers',
  'orgs/create',
  'orgs/members',
  'orgs/org',
  'tenants/tenants',
  'threads/list',
  'usage-query/query',
  'usage-reports/report',
  'usage-tokens/guide',
  'webhooks/guide',
];
const quick = process.env.GATEHOUSE_TESTS === 'quick';

const shared = `/node_modules/(?:${SHARED.join('|')})/`;

const base = {
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testEnvironment: '<rootDir>/test/support/jest-environment.mjs',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    [shared]: '<rootDir>/test/support/jest-shared-packages.mjs',
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          target: 'es2023',
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  transformIgnorePatterns: [`/node_modules/(?!(?:${SHARED.join('|')})/)`],
  resolver: '<rootDir>/test/support/jest-resolver.cjs',
  setupFiles: ['<rootDir>/test/support/jest-preload.mjs'],
};

/** Its specs find a Postgres, which is started once for all of them. */
const withPostgres = {
  ...base,
  globalSetup: '<rootDir>/test/support/jest-global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/jest-global-teardown.mjs',
};

export default {
  // Many specs wait for real terms and time-outs: three at once fill each other's pauses, on two cores too.
  maxWorkers: 3,
  // Node never lets go of a spec's modules: unbounded, a worker comes to gigabytes, and stands still for seconds to sweep them.
  workerIdleMemoryLimit: '1200MB',
  // For what hangs: on a busy machine three starts of a process alone take a minute.
  testTimeout: 180_000,
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['<rootDir>/src/**/*.spec.ts'],
      testPathIgnorePatterns: ['/node_modules/', '\\.db\\.spec\\.ts$'],
    },
    { ...withPostgres, displayName: 'db', testMatch: ['<rootDir>/src/**/*.db.spec.ts'] },
    {
      ...withPostgres,
      displayName: 'http',
      testMatch: quick
        ? HAPPY_PATHS.map((area) => `<rootDir>/test/http/${area}.spec.ts`)
        : ['<rootDir>/test/http/**/*.spec.ts'],
    },
    { ...withPostgres, displayName: 'contracts', testMatch: ['<rootDir>/test/contracts/**/*.spec.ts'] },
    { ...withPostgres, displayName: 'browser', testMatch: ['<rootDir>/test/browser/**/*.spec.ts'] },
    { ...withPostgres, displayName: 'proofs', testMatch: ['<rootDir>/test/proofs/**/*.spec.ts'] },
  ],
};
