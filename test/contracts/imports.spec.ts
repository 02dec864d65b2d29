/** The import table, and rules that no import graph can check: all hold, and each finds a violation. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CONFINED_PACKAGES, FEATURES, ORDER, ROOMS, UNSEEN, importsOf, roomsBefore } from './import-table.js';

const ROOT = process.cwd();

interface Cruised {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly { readonly resolved: string; readonly dynamic: boolean }[];
  }[];
  readonly summary: {
    readonly violations: readonly {
      readonly rule: { readonly name: string };
      readonly from: string;
      readonly to: string;
    }[];
  };
}

/** The output of a Node program. The tools exit with 1 where they find something, which is not an error here. */
function run(args: readonly string[], cwd: string): string {
  const { stdout, stderr, error } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
    // Jest's own flags must not reach the tool.
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (error !== undefined) throw error;
  if (stdout === '') throw new Error(`Nothing was said but: ${stderr}`);
  return stdout;
}

function cruise(folder: string, ...entries: string[]): Cruised {
  const tool = path.join(ROOT, 'node_modules/.bin/depcruise');
  const config = path.join(ROOT, '.dependency-cruiser.mjs');
  return JSON.parse(run([tool, '--config', config, '--output-type', 'json', ...entries], folder)) as Cruised;
}

const violationsOf = ({ summary }: Cruised): string[] =>
  summary.violations
    .map(({ rule, from, to }) => (from === to ? `${rule.name}: ${from}` : `${rule.name}: ${from} → ${to}`))
    .sort();

/** All modules that are loaded with `entry`, by imports that pass `follow`. */
function loadedFrom(
  entry: string,
  { modules }: Cruised,
  follow: (dependency: { dynamic: boolean }) => boolean,
): Set<string> {
  const bySource = new Map(modules.map((module) => [module.source, module.dependencies]));
  const loaded = new Set([entry]);
  // Iterating over a set also visits items that are added meanwhile.
  for (const source of loaded) {
    for (const dependency of bySource.get(source) ?? []) if (follow(dependency)) loaded.add(dependency.resolved);
  }
  return loaded;
}

const folders: string[] = [];

/** A temporary folder with these files. */
function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-imports-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('the import table', () => {
  it('has the order of the arrows, without a cycle', () => {
    expect(importsOf('platform')).toEqual([]);
    expect(importsOf('identity')).toEqual(['platform']);
    expect(importsOf('orgs')).toEqual(['platform', 'identity', 'limits', 'signin']);
    expect(importsOf('llm')).toEqual(['platform', 'identity', 'limits', 'signin', 'orgs', 'keys', 'humans', 'usage']);
    for (const row of ORDER) {
      for (const area of row) for (const other of importsOf(area)) expect(importsOf(other)).not.toContain(area);
    }
    for (const area of FEATURES) for (const unseen of UNSEEN) expect(importsOf(area)).not.toContain(unseen);
  });

  it('orders the rooms within an area, too', () => {
    expect(roomsBefore('usage', 'ledger')).toEqual([]);
    expect(roomsBefore('usage', 'tokens')).toEqual(['ledger', 'query', 'reports']);
    for (const [area, rows] of Object.entries(ROOMS)) {
      for (const room of rows.flat()) {
        for (const other of roomsBefore(area, room)) expect(roomsBefore(area, other)).not.toContain(room);
      }
    }
  });

  describe('over the sources', () => {
    let cruised: Cruised;
    beforeAll(() => {
      cruised = cruise(ROOT, 'src', 'test');
    });

    it('holds: no cycle, no arrow backwards, no import past an index.ts, no raw client outside its room', () => {
      expect(violationsOf(cruised)).toEqual([]);
    });

    it('keeps development out of production: no static import leads from src/main.ts to it', () => {
      const loaded = [...loadedFrom('src/main.ts', cruised, ({ dynamic }) => !dynamic)];

      expect(loaded).toEqual(expect.arrayContaining(['src/app/start.ts', 'src/app/mode.ts', 'src/keys/index.ts']));
      expect(loaded.filter((source) => source.startsWith('src/development/'))).toEqual([]);
      // The search works: with dynamic imports it finds one.
      expect([...loadedFrom('src/main.ts', cruised, () => true)]).toContain('src/development/index.ts');
    });
  });

  it('each rule reports the import that breaks it, and nothing else', () => {
    const packages = CONFINED_PACKAGES.flatMap(({ packages: names }) => names);
    const folder = folderOf({
      'package.json': JSON.stringify({
        type: 'module',
        dependencies: Object.fromEntries(packages.map((name) => [name, '1.0.0'])),
        devDependencies: { jester: '1.0.0' },
      }),
      ...Object.fromEntries(
        [...packages, 'jester', 'stowaway'].flatMap((name) => [
          [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' })],
          [`node_modules/${name}/index.js`, 'module.exports = {};'],
        ]),
      ),
      'src/main.ts': "import './app/start.js'; import './platform/errors/index.js';",
      'src/app/start.ts': [
        "import '../keys/index.js'; import '../usage/index.js'; import '../llm/index.js'; import '../identity/index.js'; import '../limits/index.js';",
        "import { issue } from '../development/index.js'; void issue; void import('../development/index.js');",
      ].join('\n'),
      'src/development/index.ts': "import '../identity/index.js'; export const issue = 1;",
      'src/platform/errors/index.ts': "import type { Keys } from '../../keys/index.js'; export type Fault = Keys;",
      'src/platform/http/index.ts':
        "export * from './client.js'; import '../errors/index.js'; import '../outbound/index.js';",
      'src/platform/outbound/index.ts': "import { Pool } from 'undici'; void Pool;",
      'src/platform/http/client.ts': 'export const client = 1;',
      'src/platform/logging/index.ts': "export * from './logger.js'; export * from './other.js';",
      'src/platform/logging/logger.ts': 'export const logger = 1;',
      'src/platform/logging/other.ts': "import '../http/client.js'; export const other = 1;",
      'src/limits/index.ts': "import './windows/guard.js'; import './doors/door.js'; import './types.js';",
      'src/limits/types.ts': 'export const types = 1;',
      'src/limits/windows/guard.ts': "import '../types.js';",
      'src/limits/doors/door.ts': "import '../../platform/logging/index.js';",
      'src/identity/index.ts': "import '../platform/logging/index.js'; import 'undici'; export const identity = 1;",
      'src/keys/index.ts':
        "export * from './secret.js'; import '../usage/index.js'; import 'jester'; import './nowhere.js';",
      'src/keys/secret.ts': "import '../development/index.js'; import 'stowaway'; export type Keys = string;",
      'src/usage/index.ts':
        "import '../keys/secret.js'; import { Pool } from 'pg'; import './ledger.js'; export { Pool };",
      'src/usage/ledger.ts': "import type { rows } from './rows.js'; export type Ledger = typeof rows;",
      'src/usage/rows.ts':
        "import type { Ledger } from './ledger.js'; export const rows = 1 as unknown as Ledger; import '../../test/support/clock.js';",
      'src/llm/index.ts':
        "import '../platform/http/index.js'; import '../generated/prisma/client.js'; import '../app/start.js'; import './llm.module.js';",
      'src/llm/llm.module.ts': "import './chat/chat.js';",
      'src/llm/chat/chat.ts': "import '../calls/call.js'; export const chat = 1;",
      'src/llm/calls/call.ts': "import '../providers/provider.js'; export type Call = 1;",
      'src/llm/providers/provider.ts': "import type { Call } from '../calls/call.js'; export type Provider = Call;",
      'src/llm/unwanted.ts': "import '../platform/http/index.js';",
      'src/lone/index.ts': "import '../platform/http/index.js';",
      'src/generated/prisma/client.ts': 'export const PrismaClient = 1;',
      'test/support/clock.ts': 'export const clock = 1;',
    });

    expect(violationsOf(cruise(folder, 'src', 'test'))).toEqual([
      'composition-root-by-main-alone: src/llm/index.ts → src/app/start.ts',
      'confined-to-database: src/usage/index.ts → node_modules/pg/index.js',
      'confined-to-outbound: src/identity/index.ts → node_modules/undici/index.js',
      'declared-package: src/keys/secret.ts → node_modules/stowaway/index.js',
      'development-by-app-alone: src/keys/secret.ts → src/development/index.ts',
      'development-never-statically: src/app/start.ts → src/development/index.ts',
      'development-never-statically: src/keys/secret.ts → src/development/index.ts',
      'direction-keys: src/keys/index.ts → src/usage/index.ts',
      'direction-keys: src/keys/secret.ts → src/development/index.ts',
      'direction-llm: src/llm/index.ts → src/app/start.ts',
      'direction-platform: src/platform/errors/index.ts → src/keys/index.ts',
      'door-of-a-room: src/platform/logging/other.ts → src/platform/http/client.ts',
      'door: src/llm/index.ts → src/app/start.ts',
      'door: src/usage/index.ts → src/keys/secret.ts',
      'generated-client: src/llm/index.ts → src/generated/prisma/client.ts',
      'main-starts-only: src/main.ts → src/platform/errors/index.ts',
      'no-cycle: src/app/start.ts → src/llm/index.ts',
      'no-cycle: src/llm/calls/call.ts → src/llm/providers/provider.ts',
      'no-cycle: src/usage/ledger.ts → src/usage/rows.ts',
      'no-dev-dependency: src/keys/index.ts → node_modules/jester/index.js',
      'no-test-code: src/usage/rows.ts → test/support/clock.ts',
      'order-limits-windows: src/limits/windows/guard.ts → src/limits/types.ts',
      'order-llm-providers: src/llm/providers/provider.ts → src/llm/calls/call.ts',
      'order-platform-http: src/platform/http/index.ts → src/platform/outbound/index.ts',
      'order-platform-logging: src/platform/logging/other.ts → src/platform/http/client.ts',
      'resolvable: src/keys/index.ts → ./nowhere.js',
      'unknown-area: src/lone/index.ts → src/platform/http/index.ts',
      'unknown-room: src/limits/doors/door.ts → src/platform/logging/index.ts',
      'unused: src/llm/unwanted.ts',
      'unused: src/lone/index.ts',
    ]);
  });
});

/** ESLint's messages for pieces of code, as if each were in the named file. Their types are unknown. */
function lint(pieces: readonly (readonly [file: string, code: string])[]): string[] {
  const script = `
    import { ESLint } from 'eslint';
    import tseslint from 'typescript-eslint';
    const eslint = new ESLint({ overrideConfig: [tseslint.configs.disableTypeChecked] });
    const said = [];
    for (const [filePath, code] of JSON.parse(process.argv[1])) {
      for (const { messages } of await eslint.lintText(code, { filePath })) {
        said.push(messages.map(({ ruleId, message }) => ruleId ?? message).join(', '));
      }
    }
    process.stdout.write(JSON.stringify(said));
  `;
  return JSON.parse(run(['--input-type=module', '--eval', script, JSON.stringify(pieces)], ROOT)) as string[];
}

describe('the lint configuration', () => {
  it('each rule reports its violation outside its room only', () => {
    const environment = 'export const a = process.env.A;';
    const splitEnvironment = 'const { env } = process; export { env };';
    const importedEnvironment = "import { env } from 'node:process'; export const a = env.A;";
    const fetched = "export const answer = await fetch('http://127.0.0.1');";
    const fetchedGlobally = "export const answer = await globalThis.fetch('http://127.0.0.1');";
    const requested = "import { request } from 'node:https'; export const answer = request('https://127.0.0.1');";
    const listening = "import { createServer } from 'node:http'; export const server = createServer();";
    const undici = "import { Pool } from 'undici'; export const pool = new Pool('http://127.0.0.1');";
    const postgres = "import pg from 'pg'; export const pool = new pg.Pool();";
    const cases: readonly (readonly [file: string, code: string, rules: string])[] = [
      ['src/keys/keys.service.ts', environment, 'no-restricted-syntax'],
      ['src/keys/keys.service.ts', splitEnvironment, 'no-restricted-syntax'],
      ['src/keys/keys.service.ts', importedEnvironment, 'no-restricted-syntax'],
      ['src/platform/outbound/outbound.ts', environment, 'no-restricted-syntax'],
      ['src/platform/config/load-settings.ts', environment, ''],
      ['test/support/replica.ts', environment, ''],
      ['src/keys/keys.service.ts', fetched, 'no-restricted-globals'],
      ['src/keys/keys.service.ts', fetchedGlobally, 'no-restricted-syntax'],
      ['src/platform/config/load-settings.ts', fetchedGlobally, 'no-restricted-syntax'],
      ['src/keys/keys.service.ts', requested, '@typescript-eslint/no-restricted-imports'],
      ['src/keys/keys.service.ts', listening, ''],
      ['src/keys/keys.service.ts', undici, '@typescript-eslint/no-restricted-imports'],
      ['src/platform/database/database.ts', undici, '@typescript-eslint/no-restricted-imports'],
      ['src/platform/outbound/outbound.ts', `${undici} ${fetched}`, ''],
      ['src/keys/keys.repository.ts', postgres, '@typescript-eslint/no-restricted-imports'],
      ['src/platform/outbound/outbound.ts', postgres, '@typescript-eslint/no-restricted-imports'],
      ['src/platform/database/database.ts', postgres, ''],
      ['src/keys/keys.spec.ts', "it.only('x', () => undefined);", 'no-restricted-syntax'],
      ['test/contracts/x.spec.ts', "jest.mock('../../src/keys/index.js');", 'no-restricted-syntax'],
    ];
    expect(lint(cases.map(([file, code]) => [file, code]))).toEqual(cases.map(([, , rules]) => rules));
  });

  it('requires each suppression to name its rule and to give a reason', () => {
    const said = lint([
      ['src/keys/a.ts', '/* eslint-disable */\nvar a = 1;\nexport { a };'],
      ['src/keys/a.ts', 'var a = 1; // eslint-disable-line\nexport { a };'],
      ['src/keys/a.ts', '// eslint-disable-next-line no-var\nvar a = 1;\nexport { a };'],
      ['src/keys/a.ts', '// eslint-disable-next-line no-var -- why not\nvar a = 1;\nexport { a };'],
      ['src/keys/a.ts', '/* eslint-disable gatehouse/suppression-reason -- to keep it out of the way */\nexport {};'],
      ['src/keys/a.ts', '// @ts-expect-error\nexport const a: string = 1;'],
      [
        'src/keys/a.ts',
        '// eslint-disable-next-line no-var -- the loader reads this file as a script\nvar a = 1;\nexport { a };',
      ],
    ]);
    expect(said).toEqual([
      'gatehouse/suppression-reason',
      'gatehouse/suppression-reason',
      'gatehouse/suppression-reason',
      'gatehouse/suppression-reason',
      expect.stringContaining('gatehouse/suppression-reason'),
      '@typescript-eslint/ban-ts-comment',
      '',
    ]);
  });
});
