/** The signing key is changed on two replicas in turn, in the three steps of docs/guides/production.md: no token is refused. */
import { generateKeyPairSync } from 'node:crypto';
import { startService, type Org, type TestService } from '../support/service.js';

const pem = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const OLD = pem();
const NEW = pem();

let first: TestService;
let second: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  first = await startService({ settings: { signingKeys: OLD, platformProviderTenants: ['*'] } });
  second = await replicaWith(OLD);
  org = await first.createOrg('operator');
  ({ key } = await first.createKey(org, {
    scopes: ['chat:write', 'usage:write', 'usage:read', 'humans:write'],
    requestsPerMinute: 10_000,
  }));
});

afterAll(async () => {
  await second.stop();
  await first.stop();
});

/** A replica on the first one's database and issuer, which therefore stays until the end. */
function replicaWith(signingKeys: string): Promise<TestService> {
  const { database, issuer, upstream, google } = first;
  return startService({
    database,
    issuer,
    upstream,
    google,
    settings: { signingKeys, platformProviderTenants: ['*'] },
  });
}

async function tokenOf(replica: TestService): Promise<string> {
  const { text, status } = await replica.call('POST', '/v1/usage/token', {
    headers: { 'x-api-key': key },
    body: { human: 'ann' },
  });
  if (status !== 200) throw new Error(text);
  return (JSON.parse(text) as { token: string }).token;
}

const takes = async (replica: TestService, token: string): Promise<number> =>
  (await replica.call('GET', '/v1/models', { headers: { authorization: `Bearer ${token}` } })).status;

/** Sends the tokens of each replica, and earlier ones, to each replica. */
async function answers(replicas: readonly TestService[], earlier: string[] = []): Promise<number[]> {
  const tokens = [...earlier, ...(await Promise.all(replicas.map(tokenOf)))];
  const statuses = await Promise.all(tokens.flatMap((token) => replicas.map((replica) => takes(replica, token))));
  // Only those of the previous step, since a human has a limit of requests.
  earlier.splice(0, earlier.length, ...tokens.slice(earlier.length));
  return [...new Set(statuses)];
}

it('no token is refused while replicas of two steps run side by side', async () => {
  const [one, two, three] = [`${OLD}${NEW}`, `${NEW}${OLD}`, NEW];
  const earlier: string[] = [];
  let [a, b] = [await replicaWith(OLD), await replicaWith(OLD)];
  try {
    expect(await answers([a, b], earlier)).toEqual([200]);
    for (const keys of [one, two]) {
      await a.stop();
      a = await replicaWith(keys);
      expect(await answers([a, b], earlier)).toEqual([200]);
      await b.stop();
      b = await replicaWith(keys);
      expect(await answers([a, b], earlier)).toEqual([200]);
    }
    // Only after everything that the old key signed has expired.
    earlier.length = 0;
    await a.stop();
    a = await replicaWith(three);
    expect(await answers([a, b])).toEqual([200]);
  } finally {
    await a.stop();
    await b.stop();
  }
});

it("with one step instead of three, the replica that is not yet changed refuses the other's tokens", async () => {
  const ahead = await replicaWith(`${NEW}${OLD}`);
  try {
    expect(await takes(second, await tokenOf(ahead))).toBe(401);
  } finally {
    await ahead.stop();
  }
});
