// docs/operations/metrics.md, from the definitions of metrics.
import { METRICS } from '../../dist/platform/metrics/definitions.js';
import { GENERATED, page, table } from './markdown.mjs';

export function metricsPage() {
  return page(
    '# Metrics',
    GENERATED,
    `\`/metrics\` answers these in Prometheus' format, on a port of its own (\`METRICS_PORT\`, 9464), on loopback unless \`METRICS_HOST\`
says otherwise. Each process shows its own numbers; those of the queues and of stored secrets come from the database, so that every
replica shows the same (take their \`max\`). No label is a tenant, a key, a human or a text that a caller named.`,
    `Beside them Node's own: \`process_*\` and \`nodejs_*\`, of which \`nodejs_eventloop_lag_p99_seconds\` says how long work waits for the
event loop, and \`nodejs_heap_size_used_bytes\` how much memory is in use.`,
    `\`provider\` is the provider's kind (\`openai\`, \`openai_compatible\`, \`anthropic\` …, \`dummy\`, \`cache\`), never the name that a
tenant gave it.`,
    table(
      ['metric', 'type', 'labels', 'meaning'],
      Object.entries(METRICS).map(([name, { type, labels = [], help }]) => [
        `\`${name}\``,
        type,
        labels.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    ),
  );
}
