import { DnsServer } from '../../../test/support/dns-server.js';
import { eventually, pause } from '../../../test/support/eventually.js';
import { LoopbackListener } from '../../../test/support/loopback-listener.js';
import { AddressPolicy, ForbiddenAddressError } from './outbound-address.js';
import { TenantPools } from './outbound-pools.js';

describe('TenantPools', () => {
  let names: DnsServer;
  let listener: LoopbackListener;
  let pools: TenantPools;

  beforeEach(async () => {
    names = await DnsServer.start();
    listener = await LoopbackListener.start({ addresses: ['127.0.0.1', '127.0.0.2', '::1'] });
    for (let index = 0; index < 20; index += 1) names.set(`host${index}.example.com`, ['127.0.0.1']);
    pools = new TenantPools({
      addresses: new AddressPolicy(['127.0.0.1/32']),
      connectTimeoutMs: 5000,
      maxPools: 3,
    });
  });

  afterEach(async () => {
    await pools.destroy();
    await listener.close();
    await names.close();
  });

  const originOf = (index: number): string => `http://host${index}.example.com:${listener.port}`;

  /** Status and length of an answer; rejects where it fails. */
  async function get(index: number, path = '/'): Promise<{ status: number; length: number }> {
    const { statusCode, body } = await pools.get(originOf(index)).request({ path, method: 'GET' });
    const { byteLength: length } = await body.arrayBuffer();
    // A connection is free again a moment after its answer was read.
    await pause(10);
    return { status: statusCode, length };
  }

  it('keep connections open, so that the next call needs no new one', async () => {
    await get(0);
    await get(0);
    expect(listener.connections).toHaveLength(1);
  });

  it('keep connections to a bounded number of origins, however many a tenant names', async () => {
    for (let index = 0; index < 20; index += 1) await get(index);
    expect(listener.connections).toHaveLength(20);
    await eventually(() => expect(listener.open).toBeLessThanOrEqual(3));
    // The latest ones are kept.
    await get(19);
    expect(listener.connections).toHaveLength(20);
    await get(0);
    expect(listener.connections).toHaveLength(21);
  });

  it.each(['127.0.0.2', '10.0.0.1', '169.254.169.254', '[::1]', '[::ffff:127.0.0.2]', '[64:ff9b::7f00:1]'])(
    'open no socket to %s, for which no look-up is made',
    async (host) => {
      const call = pools.get(`http://${host}:${listener.port}`).request({ path: '/', method: 'GET' });
      await expect(call).rejects.toBeInstanceOf(ForbiddenAddressError);
      expect(listener.connections).toEqual([]);
    },
  );

  it('let open calls end before their origin is dropped', async () => {
    let finish: () => void = () => undefined;
    listener.answer = (request, response) => {
      if (request.url !== '/slow') {
        response.end('{}');
        return;
      }
      response.write('x'.repeat(1000));
      finish = () => response.end('y'.repeat(1000));
    };
    const slow = get(0, '/slow');
    await eventually(() => expect(listener.requests).toHaveLength(1));
    const forgotten = pools.get(originOf(0));
    for (let index = 1; index < 20; index += 1) await get(index);
    expect(forgotten.closed).toBe(true);
    finish();
    expect(await slow).toEqual({ status: 200, length: 2000 });
    await eventually(() => expect(forgotten.destroyed).toBe(true));
  });

  it('are closed at the end, including dropped ones and those with open calls', async () => {
    listener.answer = (request, response) => {
      if (request.url !== '/slow') response.end('{}');
    };
    const ends = [get(0, '/slow'), get(19, '/slow')].map((call) =>
      call.then(
        () => 'answered',
        () => 'failed',
      ),
    );
    await eventually(() => expect(listener.requests).toHaveLength(2));
    for (let index = 1; index < 19; index += 1) await get(index);
    await pools.destroy();
    expect(await Promise.all(ends)).toEqual(['failed', 'failed']);
    await eventually(() => expect(listener.open).toBe(0));
  });
});
