/** Traces: the data for collectors by OTLP over HTTP, the headers for providers, and the ids in the log. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL } from '../../support/openai-upstream.js';
import { createTestDatabase, type TestDatabase } from '../../support/postgres.js';
import { startServiceProcess, type Answer } from '../../support/service.js';
import { seedTenant } from '../../support/sql.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${CALLER}-01`;

interface Span {
  readonly name: string;
  readonly kind: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

/** An OpenTelemetry collector on loopback: it takes what the published format says, in JSON. */
class Collector {
  readonly spans: Span[] = [];
  readonly resources: string[] = [];
  readonly bodies: Buffer[] = [];
  readonly types = new Set<string | undefined>();
  private constructor(private readonly server: Server) {}

  static async start(): Promise<Collector> {
    const server = createServer();
    const collector = new Collector(server);
    server.on('request', (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const body = Buffer.concat(pieces);
        collector.bodies.push(body);
        collector.types.add(request.headers['content-type']);
        if (request.url === '/v1/traces' && request.headers['content-type'] === 'application/json')
          collector.take(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(body: Buffer): void {
    const { resourceSpans } = JSON.parse(body.toString()) as {
      resourceSpans: { resource: object; scopeSpans: { spans: Span[] }[] }[];
    };
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(JSON.stringify(resource));
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
  }
}

interface Traced {
  readonly answer: Answer;
  readonly received: { readonly traceparent: string | undefined; readonly tracestate: string | undefined };
  readonly log: string;
}

let database: TestDatabase;
let collector: Collector;

beforeAll(async () => {
  database = await createTestDatabase();
  collector = await Collector.start();
});

afterAll(async () => {
  await collector.stop();
  await database.drop();
});

/** One chat completion of a service with this environment, from its start to its end. */
async function tracedCall(env: Record<string, string>, headers: Record<string, string>): Promise<Traced> {
  const { orgId, tenantId, ownerId } = await seedTenant(database.superuserUrl);
  const service = await startServiceProcess({ database, providerTenants: [tenantId], env });
  const { key } = await service.createKey({ orgId, tenantId, user: ownerId });
  const body = { model: UPSTREAM_MODEL, messages: [{ role: 'user', content: 'marker-prompt' }] };
  const answer = await service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key, ...headers },
    body,
  });
  const { traceparent, tracestate } = service.upstream.requests.at(-1)!.headers as Record<string, string | undefined>;
  service.process.signal('SIGTERM');
  const { stdout } = await service.process.exited;
  await service.stop();
  return { answer, received: { traceparent, tracestate }, log: stdout };
}

const attributesOf = (span: Span): Record<string, unknown> =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

it('go to the collector of the standard variables: a server span, and below it one for the try, without the prompt', async () => {
  const { answer, received, log } = await tracedCall(
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_SERVICE_NAME: 'gatehouse-under-test',
    },
    { traceparent: TRACEPARENT, tracestate: 'vendor=value' },
  );
  expect(answer.status).toBe(200);
  await eventually(() => expect(collector.spans.some(({ traceId }) => traceId === TRACE)).toBe(true));
  const spans = collector.spans.filter(({ traceId }) => traceId === TRACE);
  expect(spans.map(({ name }) => name).sort()).toEqual(['POST /v1/chat/completions', `chat ${UPSTREAM_MODEL}`]);
  const server = spans.find(({ kind }) => kind === 2)!;
  const attempt = spans.find(({ kind }) => kind === 3)!;
  expect(server.parentSpanId).toBe(CALLER);
  expect(attempt.parentSpanId).toBe(server.spanId);
  expect(attributesOf(server)).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/v1/chat/completions',
    'http.response.status_code': 200,
  });
  expect(attributesOf(attempt)).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': UPSTREAM_MODEL,
    'gen_ai.usage.input_tokens': 9,
    'gen_ai.usage.output_tokens': 12,
    'gatehouse.outcome': 'OK',
  });
  expect(collector.resources.join()).toContain('gatehouse-under-test');
  expect(Buffer.concat(collector.bodies).toString()).not.toContain('marker');
  // The provider's span is below the try, and the log has the trace's id.
  expect(received).toEqual({ traceparent: `00-${TRACE}-${attempt.spanId}-01`, tracestate: 'vendor=value' });
  const lines = log.split('\n').filter((line) => line.includes(TRACE));
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg).sort()).toEqual(['call', 'request']);
});

it('are protobuf by default', async () => {
  collector.types.clear();
  await tracedCall({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.address}/elsewhere` }, {});
  expect([...collector.types]).toEqual(['application/x-protobuf']);
});

it('are not sent without a collector; a caller’s trace context is still passed on and logged', async () => {
  const before = collector.bodies.length;
  const headers = { traceparent: TRACEPARENT, tracestate: 'vendor=value' };
  const { received, log } = await tracedCall({}, headers);
  expect(received).toEqual(headers);
  expect(log).toContain(`"traceId":"${TRACE}"`);
  expect(collector.bodies.length).toBe(before);
});
