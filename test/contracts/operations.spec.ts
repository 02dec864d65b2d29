/** The files in deploy/ for operators' tools name only what exists, and the tools themselves accept them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import { METRICS } from '../../src/platform/metrics/definitions.js';
import { Metrics } from '../../src/platform/metrics/index.js';

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

/** A case of promtool's format. */
interface Case {
  readonly alertname: string;
  readonly exp_alerts: readonly unknown[];
}

interface Panel {
  readonly title: string;
  readonly targets: readonly { readonly expr: string }[];
}

const RULES = 'deploy/prometheus/gatehouse.rules.yml';
const CASES = 'deploy/prometheus/gatehouse.rules.test.yml';
const PAGES = 'docs/operations/alerts';

const { groups } = load(readFileSync(RULES, 'utf8')) as { groups: { rules: Alert[] }[] };
const alerts = groups.flatMap(({ rules }) => rules);
const { panels } = JSON.parse(readFileSync('deploy/grafana/gatehouse.json', 'utf8')) as { panels: Panel[] };

/** Every name that a query can use: for a histogram its three series. */
async function seriesNames(): Promise<ReadonlySet<string>> {
  const ours = Object.entries(METRICS).flatMap(([name, { type }]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  );
  const nodes = (await new Metrics().registry.getMetricsAsJSON()).map(({ name }) => name);
  return new Set(['up', ...ours, ...nodes.filter((name) => !name.startsWith('gatehouse_'))]);
}

const namesIn = (expression: string): string[] =>
  expression.match(/\b(?:up(?=\{)|(?:gatehouse|nodejs|process)_\w+)/g) ?? [];

it.each([
  ['alerts', alerts.map(({ alert, expr }) => ({ name: alert, expressions: [expr] }))],
  ['panels', panels.map(({ title, targets }) => ({ name: title, expressions: targets.map(({ expr }) => expr) }))],
])('%s query only existing metrics, each at least one', async (_what, queries) => {
  const known = await seriesNames();
  for (const { name, expressions } of queries) {
    const asked = expressions.flatMap(namesIn);
    expect([name, asked.length]).not.toEqual([name, 0]);
    expect([name, asked.filter((one) => !known.has(one))]).toEqual([name, []]);
  }
});

it('every metric that is not only for looking things up has a panel or an alert', () => {
  const asked = new Set(
    [...alerts.map(({ expr }) => expr), ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))]
      .flatMap(namesIn)
      .map((name) => name.replace(/_(?:bucket|count|sum)$/, '')),
  );
  const unasked = Object.keys(METRICS).filter((name) => !asked.has(name));
  expect(unasked).toEqual([
    'gatehouse_share_waiting',
    'gatehouse_share_resting',
    'gatehouse_database_connections_most',
    'gatehouse_listener_losses_total',
    'gatehouse_secret_newest_version',
  ]);
});

it('every alert has a severity, a page of its own, and a line in the list of alerts', () => {
  const list = readFileSync('docs/operations/README.md', 'utf8');
  for (const { alert, labels, annotations, expr, for: term } of alerts) {
    expect(['critical', 'warning', 'info']).toContain(labels.severity);
    expect(annotations.runbook).toBe(`${PAGES}/${alert}.md`);
    const page = readFileSync(annotations.runbook, 'utf8');
    const fires = term === undefined ? 'It fires at once.' : `It fires once this has held for \`${term}\`.`;
    for (const part of [`# ${alert}\n`, expr, fires, '## What it means', '## Look', '## Do'])
      expect(page).toContain(part);
    expect(list).toContain(`| [${alert}](alerts/${alert}.md)`);
  }
  expect(readdirSync(PAGES).sort()).toEqual(alerts.map(({ alert }) => `${alert}.md`).sort());
});

it('every alert has a case in which it fires, and one in which it does not', () => {
  const { tests } = load(readFileSync(CASES, 'utf8')) as { tests: { alert_rule_test: Case[] }[] };
  const cases = tests.flatMap(({ alert_rule_test: each }) => each);
  const namesOf = (isRaised: boolean): string[] =>
    [
      ...new Set(cases.filter(({ exp_alerts: told }) => told.length > 0 === isRaised).map((each) => each.alertname)),
    ].sort();
  const all = alerts.map(({ alert }) => alert).sort();
  expect(namesOf(true)).toEqual(all);
  expect(namesOf(false)).toEqual(all);
});

/** Part of Debian's package `prometheus`, which CI installs. */
const HAS_PROMTOOL = spawnSync('promtool', ['--version']).status === 0;
// eslint-disable-next-line no-restricted-syntax -- without the tool nothing can be told; CI refuses a skipped test
const withPromtool = HAS_PROMTOOL ? it : it.skip;

withPromtool.each([
  ['check', ['check', 'rules', RULES]],
  ['test', ['test', 'rules', CASES]],
])('promtool passes the rules: %s', (_what, args) => {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
});
