import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import reactHooks from 'eslint-plugin-react-hooks';
import { gatehouseRules } from './scripts/lint-rules.mjs';

// What must not be reached from everywhere. Which area may import which stands in test/contracts/import-table.ts, and is
// checked by dependency-cruiser; here is what no import graph can see.

const ENVIRONMENT = [
  {
    selector:
      'MemberExpression[object.name="process"]:matches([property.name="env"], [property.value="env"], [property.name="loadEnvFile"])',
    message: 'The environment is read in src/platform/config alone: take the setting from there.',
  },
  {
    selector: 'VariableDeclarator[init.name="process"] > ObjectPattern > Property[key.name="env"]',
    message: 'The environment is read in src/platform/config alone: take the setting from there.',
  },
  {
    selector: 'ImportDeclaration[source.value=/^(node:)?process$/] > ImportSpecifier[imported.name="env"]',
    message: 'The environment is read in src/platform/config alone: take the setting from there.',
  },
];

const OUTBOUND_GLOBALS = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'].map((name) => ({
  name,
  message: 'Every outbound call goes through OutboundHttp of src/platform/outbound.',
}));
// `globalThis.fetch` is no use of a global to the rule above.
const OUTBOUND_MEMBERS = OUTBOUND_GLOBALS.map(({ name, message }) => ({
  selector: `MemberExpression[object.name=/^(globalThis|global)$/]:matches([property.name="${name}"], [property.value="${name}"])`,
  message,
}));
const OUTBOUND_IMPORTS = [
  {
    group: ['undici', 'undici/*'],
    message: 'Every outbound call goes through OutboundHttp of src/platform/outbound.',
  },
  {
    group: ['node:http', 'node:https', 'http', 'https', 'node:http2', 'http2'],
    importNames: ['request', 'get', 'connect', 'default'],
    allowTypeImports: true,
    message: 'Every outbound call goes through OutboundHttp of src/platform/outbound.',
  },
];

const DATABASE_IMPORTS = [
  {
    group: ['pg', 'pg/*', 'pg-*', '@prisma/*', '**/generated/prisma', '**/generated/prisma/**'],
    message: 'Statements go through Database of src/platform/database, which knows the tenant.',
  },
];

const TEST_DISCIPLINE = [
  {
    selector: 'MemberExpression[object.name=/^(describe|it|test)$/][property.name=/^(only|skip|todo|failing)$/]',
    message: 'Every test runs, and every test tells something.',
  },
  {
    selector: 'CallExpression[callee.name=/^(fdescribe|fit|xdescribe|xit|xtest)$/]',
    message: 'Every test runs, and every test tells something.',
  },
  {
    selector:
      'CallExpression[callee.object.name="jest"][callee.property.name=/^(mock|doMock|unstable_mockModule|setMock)$/]',
    message: 'Our own code is never mocked: start it, or hand it what it needs.',
  },
];

/** ESLint's own rules that TypeScript's compiler does not cover; they hold for JavaScript too. */
const CORE_RULES = {
  eqeqeq: 'error',
  'no-async-promise-executor': 'error',
  'no-class-assign': 'error',
  'no-compare-neg-zero': 'error',
  'no-cond-assign': 'error',
  'no-console': 'error',
  'no-constant-binary-expression': 'error',
  'no-constant-condition': ['error', { checkLoops: 'allExceptWhileTrue' }],
  'no-control-regex': 'error',
  'no-debugger': 'error',
  'no-dupe-else-if': 'error',
  'no-duplicate-case': 'error',
  'no-empty': ['error', { allowEmptyCatch: false }],
  'no-empty-character-class': 'error',
  'no-empty-pattern': 'error',
  'no-eval': 'error',
  'no-extra-boolean-cast': 'error',
  'no-fallthrough': 'error',
  'no-irregular-whitespace': 'error',
  'no-loss-of-precision': 'error',
  'no-misleading-character-class': 'error',
  'no-new-func': 'error',
  'no-param-reassign': 'error',
  'no-prototype-builtins': 'error',
  'no-regex-spaces': 'error',
  'no-return-assign': 'error',
  'no-self-assign': 'error',
  'no-self-compare': 'error',
  'no-sparse-arrays': 'error',
  'no-template-curly-in-string': 'error',
  'no-unreachable': 'error',
  // `for (const first of these) return first;` is how the first of an iterable is taken.
  'no-unreachable-loop': ['error', { ignore: ['ForOfStatement'] }],
  'no-unsafe-finally': 'error',
  'no-unsafe-optional-chaining': 'error',
  'no-unused-private-class-members': 'error',
  'no-useless-assignment': 'error',
  'no-useless-backreference': 'error',
  'no-useless-catch': 'error',
  'no-useless-escape': 'error',
  'no-useless-rename': 'error',
  'no-useless-return': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  'preserve-caught-error': 'error',
  radix: 'error',
  'use-isnan': 'error',
  'valid-typeof': 'error',
};

const TYPED_RULES = {
  // Promises: the ones that pay most, spelled out although the preset has some of them.
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/return-await': ['error', 'in-try-catch'],
  // Interfaces ask for promises where one implementation has nothing to wait for.
  '@typescript-eslint/require-await': 'off',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-non-null-assertion': 'error',
  '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'only-allowed-literals' }],
  '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'error',
  '@typescript-eslint/no-unnecessary-type-arguments': 'error',
  '@typescript-eslint/no-deprecated': 'error',
  '@typescript-eslint/no-mixed-enums': 'error',
  '@typescript-eslint/no-dynamic-delete': 'error',
  '@typescript-eslint/no-invalid-void-type': ['error', { allowInGenericTypeArguments: true }],
  '@typescript-eslint/no-meaningless-void-operator': 'error',
  '@typescript-eslint/no-useless-constructor': 'error',
  '@typescript-eslint/prefer-literal-enum-member': 'error',
  '@typescript-eslint/prefer-return-this-type': 'error',
  '@typescript-eslint/related-getter-setter-pairs': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    // A default that throws guards against a value that the types know nothing of.
    { allowDefaultCaseForExhaustiveSwitch: true, considerDefaultExhaustiveForUnions: true },
  ],
  '@typescript-eslint/unified-signatures': 'error',
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowNever: true }],
  '@typescript-eslint/no-unused-vars': [
    'error',
    { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
  ],
  '@typescript-eslint/ban-ts-comment': [
    'error',
    {
      'ts-ignore': true,
      'ts-nocheck': true,
      'ts-expect-error': 'allow-with-description',
      minimumDescriptionLength: 15,
    },
  ],
  // Silent in files with decorators, where an import that looks like a type's is what Nest injects by.
  '@typescript-eslint/consistent-type-imports': [
    'error',
    // `typeof import('x')` is how a module that is loaded late gets its type.
    { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
  ],
  '@typescript-eslint/no-import-type-side-effects': 'error',
  '@typescript-eslint/consistent-type-exports': ['error', { fixMixedExportsWithInlineTypeSpecifier: true }],
};

export default defineConfig(
  globalIgnores([
    'dist/',
    'dist.*/',
    'site/',
    'site.*/',
    'src/generated/',
    'dashboard/dist/',
    'dashboard/dist.*/',
    'dashboard/src/api/schema.d.ts',
    'bench/.cache/',
    'bench/results/',
    'coverage/',
    '.gatehouse/',
  ]),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' },
    plugins: { gatehouse: gatehouseRules },
    rules: { ...CORE_RULES, 'gatehouse/suppression-reason': 'error' },
  },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: TYPED_RULES,
  },
  {
    files: ['**/*.{mjs,cjs,js}'],
    rules: {
      'no-undef': 'error',
      'no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // These are commands; what they say goes to the terminal.
      'no-console': 'off',
    },
    languageOptions: { globals: nodeGlobals() },
  },
  { files: ['**/*.cjs'], languageOptions: { sourceType: 'commonjs' } },
  {
    files: ['dashboard/src/**/*.{ts,tsx}'],
    extends: [reactHooks.configs.flat['recommended-latest']],
    rules: { 'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }] },
  },
  // Run in a reader's browser.
  { files: ['scripts/guide/site.js'], languageOptions: { globals: { document: 'readonly', navigator: 'readonly' } } },
  {
    files: ['dashboard/public/theme.js'],
    languageOptions: {
      sourceType: 'script',
      globals: { document: 'readonly', localStorage: 'readonly', matchMedia: 'readonly' },
    },
  },

  // The rooms. A later block replaces the same rule's options of an earlier one, so each names all that holds there.
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...OUTBOUND_GLOBALS],
      'no-restricted-syntax': ['error', ...ENVIRONMENT, ...OUTBOUND_MEMBERS],
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: [...OUTBOUND_IMPORTS, ...DATABASE_IMPORTS] }],
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
    },
  },
  // What every call passes has to fit in the head.
  {
    files: ['src/llm/calls/*.ts', 'src/usage/ledger/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: { 'max-lines': ['error', 250] },
  },
  {
    files: ['src/platform/config/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...OUTBOUND_MEMBERS] },
  },
  {
    files: ['src/platform/outbound/**/*.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-syntax': ['error', ...ENVIRONMENT],
      '@typescript-eslint/no-restricted-imports': ['error', { patterns: DATABASE_IMPORTS }],
    },
  },
  {
    files: ['src/platform/database/**/*.ts', 'src/development/embedded/**/*.ts'],
    rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: OUTBOUND_IMPORTS }] },
  },
  {
    // Tests are clients: they call the service as anybody does, and look into the database behind its back.
    files: ['src/**/*.spec.ts', 'test/**/*.ts'],
    rules: {
      'no-restricted-globals': 'off',
      'no-restricted-syntax': ['error', ...TEST_DISCIPLINE],
      '@typescript-eslint/no-restricted-imports': 'off',
      'max-lines': 'off',
      // A test states its premises: what it takes out of an array or a body is there, or the test fails right here.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Jest types its matchers (`expect.any(String)` …) as any, wherever they stand in what is expected.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      // An answer is taken apart, its `json()` with it: it is bound to nothing.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['src/**/*.spec.ts', 'test/**/*.spec.ts'],
    // Each of these walks one table or one model whole.
    ignores: [
      'test/contracts/definer-functions.db.spec.ts',
      'test/contracts/isolation.db.spec.ts',
      'test/proofs/ledger-model.spec.ts',
    ],
    rules: { 'max-lines': ['error', { max: 350, skipBlankLines: true, skipComments: true }] },
  },
);

function nodeGlobals() {
  const names = [
    'AbortController',
    'AbortSignal',
    'Buffer',
    'TextDecoder',
    'TextEncoder',
    'URL',
    'URLSearchParams',
    'clearInterval',
    'clearTimeout',
    'console',
    'fetch',
    'globalThis',
    'performance',
    'process',
    'queueMicrotask',
    'setImmediate',
    'setInterval',
    'setTimeout',
    'structuredClone',
    'Response',
    'Headers',
    'module',
    'require',
    '__dirname',
  ];
  return Object.fromEntries(names.map((name) => [name, 'readonly']));
}
