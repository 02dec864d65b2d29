/** The bound of open connections: a further one is closed, and the open ones go on. */
import { Metrics } from '../../../src/platform/metrics/index.js';
import { eventually } from '../../support/eventually.js';
import { startService, type TestService } from '../../support/service.js';
import { RawConnection } from '../raw-http.js';

const MOST = 4;
const PING = 'GET /api/v1/ping HTTP/1.1\r\nHost: gatehouse.example\r\n\r\n';

let service: TestService;

beforeAll(async () => {
  service = await startService({ settings: { maxConnections: MOST } });
});
afterAll(() => service.stop());

async function valueOf(metric: string): Promise<number> {
  const line = (await service.app.get(Metrics).registry.metrics())
    .split('\n')
    .find((one) => one.startsWith(`${metric} `));
  return Number(line?.slice(metric.length + 1));
}

it('closes a connection beyond the bound at once; those that are open go on, and one that ends makes room', async () => {
  const open = await Promise.all(Array.from({ length: MOST }, () => RawConnection.open(service.baseUrl)));
  await eventually(async () => (await valueOf('gatehouse_http_connections_open')) === MOST);
  const further = await RawConnection.open(service.baseUrl);
  await further.closed();
  expect(await valueOf('gatehouse_http_connections_dropped_total')).toBe(1);
  for (const connection of open) {
    connection.send(PING);
    expect((await connection.answer()).status).toBe(200);
  }
  open[0]!.destroy();
  await eventually(async () => (await valueOf('gatehouse_http_connections_open')) === MOST - 1);
  const next = await RawConnection.open(service.baseUrl);
  next.send(PING);
  expect((await next.answer()).status).toBe(200);
  for (const connection of [...open, next]) connection.destroy();
});
