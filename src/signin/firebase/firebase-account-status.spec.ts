import { captureLog, type CapturedLog } from '../../../test/support/captured-log.js';
import { GoogleEndpoints } from '../../../test/support/google-endpoints.js';
import '../../../test/support/settings.js';
import { firebaseAccounts, FirebaseAccountStatus } from './firebase-account-status.js';
import { FirebaseAdmin } from './firebase-admin.js';

const PROJECT = 'demo-gatehouse-tests';
const LOOKUP = `identitytoolkit.googleapis.com/v1/projects/${PROJECT}/accounts:lookup`;

let google: GoogleEndpoints;
let firebase: FirebaseAdmin;
let log: CapturedLog;

beforeEach(async () => {
  google = await GoogleEndpoints.start({ projectId: PROJECT });
  firebase = new FirebaseAdmin({ projectId: PROJECT, serviceAccount: google.accountFile, agent: google.agent() });
  log = captureLog();
});

afterEach(async () => {
  log.stop();
  await firebase.onApplicationShutdown();
  await google.stop();
});

describe("FirebaseAccountStatus (against a local stand-in for Google's endpoints)", () => {
  it('says of each user whether they are active, disabled or unknown, and since when their tokens are good', async () => {
    google.disabled.add('disabled');
    google.deleted.add('deleted');
    google.validSince.set('revoked', 1_790_000_123);
    const statuses = await new FirebaseAccountStatus(firebase).lookUp(['active', 'disabled', 'deleted', 'revoked']);
    expect(Object.fromEntries(statuses)).toEqual({
      active: { state: 'active', tokensValidAfter: 1_700_000_000 },
      disabled: { state: 'disabled', tokensValidAfter: 1_700_000_000 },
      revoked: { state: 'active', tokensValidAfter: 1_790_000_123 },
    });
    expect(google.lookUps).toEqual([['active', 'disabled', 'deleted', 'revoked']]);
  });

  it('asks about a hundred users in one call, whatever script their ids are in', async () => {
    const users = Array.from({ length: 100 }, (_, index) => `${'𝔘'.repeat(60)}-${index}`);
    const statuses = await new FirebaseAccountStatus(firebase).lookUp(users);
    expect([...statuses.keys()]).toEqual(users);
    expect(google.lookUps).toHaveLength(1);
  });

  it('finds no user where Firebase knows none of them', async () => {
    google.everyoneExists = false;
    await expect(new FirebaseAccountStatus(firebase).lookUp(['a', 'b'])).resolves.toEqual(new Map());
  });

  it('gives up on a silent Firebase in time', async () => {
    await new FirebaseAccountStatus(firebase).lookUp(['a']);
    google.silent = true;
    await expect(new FirebaseAccountStatus(firebase, 300).lookUp(['a'])).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each([400, 401, 403, 404, 429, 500])('takes an answer of %i for no answer about anybody', async (status) => {
    google.failures.set('accounts:lookup', status);
    await expect(new FirebaseAccountStatus(firebase).lookUp(['a'])).rejects.toThrow();
    google.failures.clear();
    await expect(new FirebaseAccountStatus(firebase).lookUp(['a'])).resolves.toMatchObject({ size: 1 });
  });
});

describe("firebaseAccounts (against a local stand-in for Google's endpoints)", () => {
  it('is 503 while Firebase refuses us, and its log holds neither token nor key', async () => {
    const accounts = firebaseAccounts(firebase, { accountCheckSeconds: 50, credentialCacheEntries: 10 });
    google.failures.set('accounts:lookup', 403);
    await expect(accounts.assertActive('user-1', 1_800_000_000)).rejects.toMatchObject({ kind: 'unavailable' });
    google.failures.set('oauth2.googleapis.com/token', 401);
    const another = new FirebaseAdmin({
      projectId: PROJECT,
      serviceAccount: google.accountFile,
      agent: google.agent(),
    });
    const others = firebaseAccounts(another, { accountCheckSeconds: 50, credentialCacheEntries: 10 });
    await expect(others.assertActive('user-1', 1_800_000_000)).rejects.toMatchObject({ kind: 'unavailable' });
    await another.onApplicationShutdown();
    expect(log.lines.map(({ msg }) => msg)).toEqual(
      Array(2).fill("The dashboard's issuer could not be asked about its users."),
    );
    expect(log.text()).not.toMatch(/ya29\.|Bearer|PRIVATE KEY|assertion=|eyJ/);
  });

  it('asks once for a warm user, by the time that is set', async () => {
    const accounts = firebaseAccounts(firebase, { accountCheckSeconds: 50, credentialCacheEntries: 10 });
    for (let i = 0; i < 5; i += 1) await accounts.assertActive('user-1', 1_800_000_000);
    expect(google.requests.filter((address) => address === LOOKUP)).toHaveLength(1);
  });
});
