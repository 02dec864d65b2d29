import '../../../test/support/settings.js';
import { GoogleEndpoints } from '../../../test/support/google-endpoints.js';
import { FirebaseAdmin, type FirebaseAdminOptions } from './firebase-admin.js';

const PROJECT = 'demo-gatehouse-tests';
const TOKEN = 'oauth2.googleapis.com/token';

let google: GoogleEndpoints;
const connections: FirebaseAdmin[] = [];

beforeEach(async () => {
  google = await GoogleEndpoints.start({ projectId: PROJECT });
});

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.onApplicationShutdown()));
  await google.stop();
});

function connect(options: Partial<FirebaseAdminOptions> = {}): FirebaseAdmin {
  const connection = new FirebaseAdmin({
    projectId: PROJECT,
    serviceAccount: google.accountFile,
    agent: google.agent(),
    ...options,
  });
  connections.push(connection);
  return connection;
}

const userOf = async (connection: FirebaseAdmin): Promise<string> =>
  (await (await connection.auth()).getUser('user-1')).uid;

describe("FirebaseAdmin (against a local stand-in for Google's endpoints)", () => {
  it.each(['a path', 'JSON'])('accepts the service account as %s', async (how) => {
    const serviceAccount = how === 'JSON' ? JSON.stringify(google.serviceAccount()) : google.accountFile;
    const connection = connect({ serviceAccount });
    await connection.onModuleInit();
    await expect(userOf(connection)).resolves.toBe('user-1');
  });

  it("uses the machine's own Google credentials where no account is set", async () => {
    const { GOOGLE_APPLICATION_CREDENTIALS: before } = process.env;
    process.env['GOOGLE_APPLICATION_CREDENTIALS'] = google.accountFile;
    try {
      const connection = connect({ serviceAccount: undefined });
      await connection.onModuleInit();
      await expect(userOf(connection)).resolves.toBe('user-1');
      expect(google.requests).toContain(TOKEN);
    } finally {
      if (before === undefined) delete process.env['GOOGLE_APPLICATION_CREDENTIALS'];
      else process.env['GOOGLE_APPLICATION_CREDENTIALS'] = before;
    }
  });

  it('requests one access token for any number of calls', async () => {
    const connection = connect();
    await Promise.all(Array.from({ length: 20 }, () => userOf(connection)));
    expect(google.requests.filter((address) => address === TOKEN)).toHaveLength(1);
  });

  it('gives up on a silent token endpoint in time, and asks again at once', async () => {
    const connection = connect({ tokenTimeoutMs: 300 });
    google.silent = true;
    await expect(userOf(connection)).rejects.toThrow(/no access token in time/);
    google.silent = false;
    await expect(userOf(connection)).resolves.toBe('user-1');
  });

  it('serves two services in one process independently', async () => {
    const [one, two] = [connect(), connect()];
    await Promise.all([userOf(one), userOf(two)]);
    await one.onApplicationShutdown();
    await expect(userOf(two)).resolves.toBe('user-1');
  });

  it('opens no connection once it is closed', async () => {
    const connection = connect();
    await connection.onApplicationShutdown();
    await expect(connection.auth()).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it('refuses a server that can’t prove that it is Google', async () => {
    const stranger = await GoogleEndpoints.start({ projectId: PROJECT });
    try {
      const connection = connect({ agent: stranger.agent(google.authority) });
      await expect(userOf(connection)).rejects.toThrow(/certificate|signature/);
      expect(stranger.requests).toEqual([]);
    } finally {
      await stranger.stop();
    }
  });

  it.each<[string, string]>([
    ['JSON that is cut off', '{"private_key":"-----BEGIN PRIVATE KEY-----\\nMIIEsecret'],
    ['JSON without a key', '{"client_email":"MIIEsecret"}'],
    ['JSON with a damaged key', '{"client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\\nMIIEsecret"}'],
    ['JSON that is null', ' null'],
    ['a path without a file', '/nowhere/account.json'],
  ])('refuses %s as a service account, at the start and later, and quotes nothing of it', async (_what, text) => {
    for (const attempt of [
      (connection: FirebaseAdmin) => connection.onModuleInit(),
      (connection: FirebaseAdmin) => connection.auth(),
    ]) {
      const error = await attempt(connect({ serviceAccount: text })).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(Error);
      expect((error as Error).message).toMatch(/^FIREBASE_SERVICE_ACCOUNT [^\n]+\.$/);
      expect(String((error as Error).stack)).not.toContain('MIIEsecret');
    }
    expect(google.requests).toEqual([]);
  });
});
