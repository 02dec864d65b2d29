import { eventually } from '../../../test/support/eventually.js';
import '../../../test/support/settings.js';
import { GoogleEndpoints } from '../../../test/support/google-endpoints.js';
import { UnknownUserError } from '../claims-writer.js';
import { FirebaseAdmin } from './firebase-admin.js';
import { FirebaseClaimsWriter } from './firebase-claims-writer.js';

const PROJECT = 'demo-gatehouse-tests';
const UPDATE = `identitytoolkit.googleapis.com/v1/projects/${PROJECT}/accounts:update`;
const OURS = { tenant_id: 'acme-1', role: 'owner' };

let google: GoogleEndpoints;
const connections: FirebaseAdmin[] = [];

beforeEach(async () => {
  google = await GoogleEndpoints.start({ projectId: PROJECT });
});

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.onApplicationShutdown()));
  await google.stop();
});

function connect(tokenTimeoutMs?: number): FirebaseAdmin {
  const connection = new FirebaseAdmin({
    projectId: PROJECT,
    serviceAccount: google.accountFile,
    agent: google.agent(),
    ...(tokenTimeoutMs === undefined ? {} : { tokenTimeoutMs }),
  });
  connections.push(connection);
  return connection;
}

describe("FirebaseClaimsWriter (against a local stand-in for Google's endpoints)", () => {
  it('sets our claims and keeps those that others set', async () => {
    google.claims.set('user-1', { plan: 'x', role: 'viewer' });
    await new FirebaseClaimsWriter(connect()).setClaims('user-1', OURS);
    expect(google.claims.get('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('sets claims of a user who has none', async () => {
    await new FirebaseClaimsWriter(connect()).setClaims('user-1', OURS);
    expect(google.claims.get('user-1')).toEqual(OURS);
  });

  it('removes our claims and nothing else', async () => {
    google.claims.set('user-1', { plan: 'x', ...OURS });
    await new FirebaseClaimsWriter(connect()).setClaims('user-1', null);
    expect(google.claims.get('user-1')).toEqual({ plan: 'x' });
  });

  it('can be repeated', async () => {
    google.claims.set('user-1', { plan: 'x' });
    const writer = new FirebaseClaimsWriter(connect());
    await writer.setClaims('user-1', OURS);
    await writer.setClaims('user-1', OURS);
    expect(google.claims.get('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('does not wait for a write of another user that hangs', async () => {
    const writer = new FirebaseClaimsWriter(connect(), 2000);
    google.updateDelaysMs.push(60_000);
    const hanging = writer.setClaims('user-1', OURS).catch((error: unknown) => error);
    await eventually(() => expect(google.requests).toContain(UPDATE));
    await writer.setClaims('user-2', OURS);
    expect(google.claims.has('user-1')).toBe(false);
    expect(await hanging).toMatchObject({ kind: 'unavailable' });
  });

  it('reports that Firebase has no such user, writes nothing, and writes for the next one', async () => {
    google.deleted.add('nobody');
    const writer = new FirebaseClaimsWriter(connect());
    await expect(writer.setClaims('nobody', OURS)).rejects.toBeInstanceOf(UnknownUserError);
    expect(google.claims.size).toBe(0);
    await expect(writer.setClaims('user-1', OURS)).resolves.toBeUndefined();
  });

  it('gives up on a silent Firebase, writes nothing later, and works again at once when it answers', async () => {
    google.claims.set('user-1', { plan: 'x' });
    const writer = new FirebaseClaimsWriter(connect(500), 1000);
    google.silent = true;
    await expect(writer.setClaims('user-1', OURS)).rejects.toThrow(/in time/);
    expect(google.requests).not.toContain(UPDATE);
    expect(google.claims.get('user-1')).toEqual({ plan: 'x' });
    google.silent = false;
    // No call waits for the access token of the failed request.
    await writer.setClaims('user-1', OURS);
    expect(google.claims.get('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('gives up on a Firebase that falls silent once the token is there', async () => {
    const writer = new FirebaseClaimsWriter(connect(), 1000);
    await writer.setClaims('user-1', OURS);
    google.silent = true;
    await expect(writer.setClaims('user-1', null)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(google.claims.get('user-1')).toEqual(OURS);
  });

  it('reports that Firebase fails, and works again once it does not', async () => {
    google.failures.set('accounts:update', 500);
    const writer = new FirebaseClaimsWriter(connect());
    await expect(writer.setClaims('user-1', OURS)).rejects.toThrow();
    google.failures.clear();
    await writer.setClaims('user-1', OURS);
    expect(google.claims.get('user-1')).toEqual(OURS);
  });
});
