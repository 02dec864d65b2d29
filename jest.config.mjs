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

const base = {
  roots: ['<rootDir>/src', '<rootDir>/test'],
  testEnvironment: '<rootDir>/test/support/jest-environment.mjs',
  runtime: '<rootDir>/test/support/jest-runtime.cjs',
  setupFilesAfterEnv: ['<rootDir>/test/support/silent-log.ts'],
  // Node loads and compiles the specs (jest-environment.mjs); this is for Jest's graph of imports, by which it finds related specs.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': ['$1.ts', '$1.js'] },
  transform: {},
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
  // Against what a spec leaves behind in its worker.
  workerIdleMemoryLimit: '1200MB',
  // For what hangs: on a busy machine three starts of a process alone take a minute.
  testTimeout: 300_000,
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
    { ...withPostgres, displayName: 'operations', testMatch: ['<rootDir>/test/operations/**/*.spec.ts'] },
  ],
};
