/** The receivers of docs/guides/webhooks.md, each run unchanged on deliveries of a started service. */
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Guide, type Program } from '../../support/guide.js';
import { eventually } from '../../support/eventually.js';
import { startService, type Org, type TestService } from '../../support/service.js';
import { WebhookReceiver, type Received } from '../../support/webhook-receiver.js';
import { QUICK, addHuman, create, happen } from './webhooks.js';

let receiver: WebhookReceiver;
let service: TestService;
let org: Org;
let guide: Guide;
let programs: Program[];

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  service = await startService({ settings: { ...receiver.settings, ...QUICK } });
  org = await service.createOrg('founder');
  guide = await Guide.open('docs/guides/webhooks.md');
  programs = guide.programs('Verify the signature', 'js');
});

afterAll(async () => {
  await guide.close();
  await service.stop();
  await receiver.stop();
});

/** Starts a program of the guide, and waits until it listens. */
async function run(program: Program, secret: string): Promise<{ port: number; output: () => string }> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  const { output } = await guide.start(program, { PORT: String(port), WEBHOOK_SECRET: secret });
  await eventually(async () => {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  });
  return { port, output };
}

/** Forwards what was received, byte for byte. */
function pass(port: number, { raw, headers }: Pick<Received, 'raw' | 'headers'>): Promise<number> {
  const { host: _host, connection: _connection, ...rest } = headers;
  return new Promise((resolve, reject) => {
    http
      .request({ port, host: '127.0.0.1', method: 'POST', headers: { ...rest, 'content-length': raw.length } })
      .on('error', reject)
      .on('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
      .end(raw);
  });
}

it.each([
  ['with the library', 0],
  ['with a plain HMAC', 1],
])('the receiver %s accepts our deliveries, and nothing else', async (_how, index) => {
  const { secret } = await create(service, org, receiver.url(`/${index}`));
  await happen(service, org, { humanId: await addHuman(service, org, `ünï-${index}`) });
  await eventually(() => receiver.at(`/${index}`).length === 1);
  const [received] = receiver.at(`/${index}`);
  const { port, output } = await run(programs[index]!, secret);
  expect(await pass(port, received!)).toBe(204);
  await eventually(() => output() === `usage.tracked ${received!.id}\n`);

  const changed = Buffer.from(received!.raw.toString().replace('"value": 1', '"value": 2'));
  expect(changed).not.toEqual(received!.raw);
  expect(await pass(port, { ...received!, raw: changed })).toBe(400);
  const { 'webhook-signature': _one, 'x-webhook-signature': _other, ...unsigned } = received!.headers;
  expect(await pass(port, { raw: received!.raw, headers: unsigned })).toBe(400);
  expect(output()).toBe(`usage.tracked ${received!.id}\n`);
});
