/** Replicas behind the proxies of docs/guides/production.md are restarted one after another while calls run: none fails. */
import { Fleet } from '../support/fleet.js';
import { Haproxy, Nginx } from '../support/load-balancers.js';
import { OpenStream } from '../http/open-stream.js';
import { streamPieces, UPSTREAM_MODEL } from '../support/openai-upstream.js';
import { WHOLE } from '../support/proof-form.js';
import { SteadyLoad, type Account } from '../support/steady-load.js';

/** The short form runs everything four times as fast; the whole form has the defaults, and haproxy's checks as in the guide. */
const { checkEvery, lameDuck, runs } = WHOLE
  ? {
      ...{ checkEvery: undefined, lameDuck: '5' },
      runs: [
        { perSecond: 8, calls: 2000 },
        { perSecond: 50, calls: 2000 },
      ],
    }
  : { checkEvery: '500ms', lameDuck: '2', runs: [{ perSecond: 25, calls: 200 }] };
const options = { env: { GATEHOUSE_LAME_DUCK_SECONDS: lameDuck } };
const ALL_WELL: Account = { failed: [], lost: [], doubled: [], charged: ['SETTLED OK'] };

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start(options);
});

afterAll(() => fleet.stop());

/** Restarts each replica once, and again until enough calls were sent; each must stop properly. */
async function restartUnder(load: SteadyLoad, calls: number, isUp: () => Promise<void>): Promise<void> {
  do {
    for (const index of [0, 1] as const) {
      expect(await fleet.replace(index, options)).toMatchObject({ code: 0, stderr: '' });
      await isUp();
    }
  } while (load.sent.length < calls);
  await load.stopAfter(calls);
}

async function forget(): Promise<void> {
  fleet.upstream.reset();
  await fleet.replica(0).sql('DELETE FROM usage_records');
}

it.each(runs)('haproxy: none of $calls calls fails, at $perSecond a second', async ({ perSecond, calls }) => {
  const haproxy = await Haproxy.start(fleet.ports, checkEvery);
  try {
    await haproxy.bothAreUp();
    const load = SteadyLoad.start(haproxy.baseUrl, fleet.replica(0), fleet.key, perSecond);
    await restartUnder(load, calls, () => haproxy.bothAreUp());
    expect(await load.account(fleet.upstream)).toEqual(ALL_WELL);
  } finally {
    await haproxy.stop();
    await forget();
  }
});

it('nginx: none of some hundred calls fails', async () => {
  const nginx = await Nginx.start(fleet.ports);
  try {
    const load = SteadyLoad.start(nginx.baseUrl, fleet.replica(0), fleet.key, 25);
    await restartUnder(load, 300, () => Promise.resolve());
    expect(await load.account(fleet.upstream)).toEqual(ALL_WELL);
  } finally {
    await nginx.stop();
    await forget();
  }
});

it.each([
  [
    'haproxy',
    async () => {
      const haproxy = await Haproxy.start(fleet.ports, checkEvery);
      await haproxy.bothAreUp();
      return haproxy;
    },
  ],
  ['nginx', () => Nginx.start(fleet.ports)],
])('%s passes on each event of a stream as it comes, and a body of 15 MiB', async (_name, start) => {
  const proxy = await start();
  try {
    const rest = Promise.withResolvers<string>();
    fleet.upstream.next({ kind: 'stream', pieces: [...streamPieces({ words: ['first'] }), rest.promise] });
    const content = 'x'.repeat(15 * 1024 * 1024);
    const body = { model: UPSTREAM_MODEL, stream: true, messages: [{ role: 'user', content }] };
    const stream = OpenStream.start(proxy, fleet.key, body);
    await stream.until('first');
    expect(stream.ended).toBe(false);
    rest.resolve('');
    await stream.whole();
    expect(stream.events.at(-1)).toBe('[DONE]');
  } finally {
    await proxy.stop();
    await forget();
  }
});
