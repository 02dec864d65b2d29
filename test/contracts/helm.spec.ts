/**
 * The chart for Kubernetes: its templates are rendered by Go's text/template, which Helm uses, and read as a cluster reads
 * them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import { load, loadAll } from 'js-yaml';
import { SETTINGS } from '../../src/platform/config/settings.js';
import type { SettingDefinition } from '../../src/platform/config/setting-definition.js';

const CHART = 'deploy/helm/gatehouse';

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

interface Container {
  readonly command?: readonly string[];
  readonly env: readonly Variable[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly volumeMounts?: readonly object[];
  readonly image: string;
  readonly securityContext: object;
}

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
  readonly periodSeconds: number;
  readonly failureThreshold: number;
}

interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly containers: readonly [Container];
  readonly volumes?: readonly object[];
  readonly securityContext: object;
}

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: {
    readonly template: { readonly metadata: { readonly labels: object }; readonly spec: Pod };
    readonly minAvailable?: number;
    readonly selector?: { readonly matchLabels: object };
    readonly strategy?: object;
  };
}

/** What leads to pods from outside of them. */
interface Way {
  readonly metadata: { readonly labels: object };
  readonly spec: {
    readonly selector: Readonly<Record<string, unknown>>;
    readonly ports: readonly { readonly name: string; readonly targetPort: string }[];
    readonly endpoints: readonly { readonly port: string; readonly relabelings: readonly object[] }[];
    readonly rules: readonly { readonly http: { readonly paths: readonly { readonly backend: object }[] } }[];
  };
}

type Values = Record<string, unknown> & { settings: Record<string, string>; secrets: Record<string, object> };

const definitions = Object.values(SETTINGS) as SettingDefinition[];
const defaults = load(readFileSync(path.join(CHART, 'values.yaml'), 'utf8')) as Values;
const schema = JSON.parse(readFileSync(path.join(CHART, 'values.schema.json'), 'utf8')) as object;
const isValid = new Ajv().compile(schema);

let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gatehouse-helm-'));
  program = path.join(folder, 'render');
  const source = path.resolve('test/support/helm-render/main.go');
  const env = { ...process.env, GO111MODULE: 'off' };
  const { error, status, stderr } = spawnSync('go', ['build', '-o', program, source], { encoding: 'utf8', env });
  if (error !== undefined) throw new Error('This test needs go: install it (Debian: apt-get install golang-go).');
  if (status !== 0) throw new Error(stderr);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const withValues = (changes: Readonly<Record<string, unknown>>): Values => ({ ...defaults, ...changes });

function render(changes: Readonly<Record<string, unknown>> = {}): ReadonlyMap<string, Resource> {
  const values = withValues(changes);
  expect([isValid(values), isValid.errors]).toEqual([true, null]);
  const { name, version, appVersion } = load(readFileSync(path.join(CHART, 'Chart.yaml'), 'utf8')) as Record<
    string,
    string
  >;
  const { status, stdout, stderr } = spawnSync(program, {
    encoding: 'utf8',
    input: JSON.stringify({
      directory: CHART,
      chart: { Name: name, Version: version, AppVersion: appVersion },
      values,
      release: { Name: 'prod', Namespace: 'apps', Service: 'Helm' },
    }),
  });
  if (status !== 0) throw new Error(stderr);
  const { 'NOTES.txt': notes = '', ...files } = JSON.parse(stdout) as Record<string, string>;
  expect(notes).toContain('deploy/prod-gatehouse -- node bin/gatehouse.mjs doctor');
  const resources = Object.values(files).flatMap((text) => loadAll(text) as (Resource | null | undefined)[]);
  return new Map(resources.flatMap((each) => (each ? [[each.kind, each] as const] : [])));
}

const podOf = (resources: ReadonlyMap<string, Resource>, kind = 'Deployment'): Pod =>
  resources.get(kind)!.spec.template.spec;
const containerOf = (resources: ReadonlyMap<string, Resource>, kind = 'Deployment'): Container =>
  podOf(resources, kind).containers[0];

it('renders what a service needs, and the optional parts where they are switched on', () => {
  expect([...render().keys()].sort()).toEqual(['Deployment', 'Job', 'PodDisruptionBudget', 'Service']);
  const more = { ingress: { ...(defaults['ingress'] as object), enabled: true, className: 'nginx', tlsSecret: 'tls' } };
  const all = render({ ...more, serviceMonitor: { enabled: true, interval: '30s', labels: { team: 'a' } } });
  expect([...all.keys()].sort()).toEqual([
    'Deployment',
    'Ingress',
    'Job',
    'PodDisruptionBudget',
    'Service',
    'ServiceMonitor',
  ]);
});

it('every setting reaches the service and the migration, secrets by reference only', () => {
  const settings = Object.fromEntries(
    definitions.filter(({ secret }) => secret !== true).map(({ variable }) => [variable, '7']),
  );
  const secrets = Object.fromEntries(
    definitions
      .filter(({ secret }) => secret === true)
      .map(({ variable }) => [variable, { name: 'own', key: variable }]),
  );
  const resources = render({ settings, secrets });
  for (const kind of ['Deployment', 'Job']) {
    const { env } = containerOf(resources, kind);
    expect(env.map(({ name }) => name).sort()).toEqual(definitions.map(({ variable }) => variable).sort());
    for (const { name, value, valueFrom } of env) {
      if (name in secrets) expect([value, valueFrom?.secretKeyRef]).toEqual([undefined, secrets[name]]);
      else expect(value).toBe('7');
    }
  }
  for (const name of Object.keys(secrets)) expect(isValid(withValues({ settings: { [name]: 'x' } }))).toBe(false);
});

it.each([
  ['a setting that does not exist', { settings: { GATEHOUSE_DRAIN_SECOND: '25' } }],
  ['a number where a text is asked for', { settings: { GATEHOUSE_DRAIN_SECONDS: 25 } }],
  ['no pepper', { secrets: { ...defaults.secrets, GATEHOUSE_PEPPERS: undefined } }],
  ['no replica', { replicas: 0 }],
  ['a value that does not exist', { replica: 2 }],
])('the schema refuses %s', (_what, changes) => {
  expect(isValid(JSON.parse(JSON.stringify(withValues(changes))))).toBe(false);
});

it.each([
  [{}, 5 + 25],
  [{ GATEHOUSE_LAME_DUCK_SECONDS: '60', GATEHOUSE_DRAIN_SECONDS: '600' }, 660],
  [{ GATEHOUSE_DRAIN_SECONDS: '0' }, 5],
])('with %j a pod has more time to stop than the service takes', (settings, takes) => {
  expect(podOf(render({ settings })).terminationGracePeriodSeconds).toBeGreaterThanOrEqual(takes + 10);
});

it('readiness alone takes a pod out of service before its lame-duck time is over', () => {
  const { readinessProbe, livenessProbe, startupProbe, ports } = containerOf(render());
  expect(readinessProbe.httpGet).toEqual({ path: '/health/ready', port: 'http' });
  expect(readinessProbe.periodSeconds * readinessProbe.failureThreshold).toBeLessThan(
    Number(defaults.settings['GATEHOUSE_LAME_DUCK_SECONDS']),
  );
  // Liveness must not depend on the database: an outage of it would restart every replica.
  for (const probe of [livenessProbe, startupProbe]) expect(probe.httpGet.path).toBe('/health/live');
  expect(ports.map(({ containerPort }) => containerPort)).toEqual([3000, 9464]);
});

it('a disruption leaves one replica, and does not block a node that has the only one', () => {
  const { spec } = render({ replicas: 2 }).get('PodDisruptionBudget')!;
  expect(spec.minAvailable).toBe(1);
  const { template, selector } = render().get('Deployment')!.spec;
  expect(spec.selector).toEqual(selector);
  expect(template.metadata.labels).toMatchObject(selector!.matchLabels);
  expect(render({ replicas: 1 }).has('PodDisruptionBudget')).toBe(false);
});

it('migrates before it replaces anything; without the job each start migrates', () => {
  const resources = render();
  expect(resources.get('Job')!.metadata.annotations).toMatchObject({ 'helm.sh/hook': 'pre-install,pre-upgrade' });
  expect(containerOf(resources, 'Job').command).toEqual(['node', 'bin/gatehouse.mjs', 'migrate']);
  const migrates = (each: ReadonlyMap<string, Resource>): string | undefined =>
    containerOf(each).env.find(({ name }) => name === 'GATEHOUSE_MIGRATE')?.value;
  expect(migrates(resources)).toBe('off');
  const without = render({ migration: { enabled: false, deadline: 1800 } });
  expect([without.has('Job'), migrates(without)]).toEqual([false, undefined]);
});

it('mounts the files that settings name, also for the migration', () => {
  const resources = render({ files: [{ secret: 'firebase', folder: '/etc/firebase' }], podLabels: { team: 'a' } });
  for (const kind of ['Deployment', 'Job']) {
    expect(podOf(resources, kind).volumes).toEqual([{ name: 'files-0', secret: { secretName: 'firebase' } }]);
    const mount = { name: 'files-0', mountPath: '/etc/firebase', readOnly: true };
    expect(containerOf(resources, kind).volumeMounts).toEqual([mount]);
  }
});

it('a rollout starts each pod before it stops another, and pods have no rights that they do not use', () => {
  const resources = render();
  expect(resources.get('Deployment')!.spec.strategy).toMatchObject({
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
  });
  for (const kind of ['Deployment', 'Job']) {
    expect(podOf(resources, kind).securityContext).toMatchObject({ runAsNonRoot: true });
    const own = { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    expect(containerOf(resources, kind).securityContext).toEqual(own);
    // The job and the pods are of one version.
    expect(containerOf(resources, kind).image).toBe(containerOf(resources).image);
  }
  const { appVersion } = load(readFileSync(path.join(CHART, 'Chart.yaml'), 'utf8')) as { appVersion: string };
  expect(containerOf(resources).image).toMatch(new RegExp(`:${appVersion}$`));
});

it('requests reach the HTTP port of the pods, and Prometheus their metrics as the job that the alerts ask for', () => {
  const ingress = { ...(defaults['ingress'] as object), enabled: true };
  const all = render({ ingress, serviceMonitor: { enabled: true, interval: '30s', labels: {} } });
  const [service, way, monitor] = ['Service', 'Ingress', 'ServiceMonitor'].map(
    (kind) => all.get(kind) as unknown as Way,
  );
  const { template } = all.get('Deployment')!.spec;
  expect(template.metadata.labels).toMatchObject(service!.spec.selector);
  expect(service!.spec.ports.map(({ name, targetPort }) => [name, targetPort])).toEqual([
    ['http', 'http'],
    ['metrics', 'metrics'],
  ]);
  // The migration's pod is not one of the service's.
  expect(all.get('Job')!.spec.template.metadata.labels).not.toMatchObject(service!.spec.selector);
  const backend = { service: { name: 'prod-gatehouse', port: { name: 'http' } } };
  expect(way!.spec.rules[0]!.http.paths.map((each) => each.backend)).toEqual([backend]);
  expect(service!.metadata.labels).toMatchObject((monitor!.spec.selector as { matchLabels: object }).matchLabels);
  expect(monitor!.spec.endpoints).toEqual([
    { port: 'metrics', interval: '30s', relabelings: [{ targetLabel: 'job', replacement: 'gatehouse' }] },
  ]);
});

it('helm itself finds nothing wrong, where it is installed', () => {
  const { error, status, stdout } = spawnSync('helm', ['lint', '--strict', CHART], { encoding: 'utf8' });
  const isInstalled = error === undefined;
  expect(isInstalled ? [status, stdout] : [0, '']).toEqual([0, expect.any(String)]);
});
