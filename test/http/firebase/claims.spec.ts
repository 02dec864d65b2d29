/** An org's founder gets its claims from Firebase, merged with existing ones, in spite of failures. */
import { eventually } from '../../support/eventually.js';
import { startService, type Answer, type TestService } from '../../support/service.js';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterEach(() => {
  service.google.failures.clear();
  service.google.silent = false;
});

afterAll(() => service.stop());

function create(user: string, name: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${service.dashboardToken({ user })}` };
  return service.call('POST', '/api/v1/orgs/create', { headers, body: { name } });
}

const tenantOf = (answer: Answer): string => answer.json<{ org: { tenantId: string } }>().org.tenantId;
const waiting = (): Promise<object[]> => service.sql('SELECT 1 FROM claim_writes');

/** Makes writes of the outbox due now; the tests do not depend on its waiting time. */
const makeDue = (): Promise<object[]> => service.sql('UPDATE claim_writes SET next_attempt_at = now()');

describe("orgs/create (against a local stand-in for Google's endpoints)", () => {
  it('sets tenant_id and role through Firebase beside the existing claims, and the next token has them', async () => {
    const { google } = service;
    google.claims.set('ada', { plan: 'gold', nested: { deep: [1, 2] }, role: 'from before' });
    const answer = await create('ada', 'Merged');
    expect(answer.status).toBe(200);
    const tenantId = tenantOf(answer);
    const merged = { plan: 'gold', nested: { deep: [1, 2] }, tenant_id: tenantId, role: 'owner' };
    expect(google.claims.get('ada')).toEqual(merged);
    const accounts = `identitytoolkit.googleapis.com/v1/projects/${service.issuer.audience}/accounts`;
    expect(google.requests.filter((address) => address.startsWith(accounts)).slice(-2)).toEqual([
      `${accounts}:lookup`,
      `${accounts}:update`,
    ]);
    const token = service.issuer.sign({ sub: 'ada', ...google.claims.get('ada') });
    const headers = { authorization: `Bearer ${token}` };
    expect((await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} })).status).toBe(200);
  });

  it.each([
    ['fails', () => service.google.failures.set('accounts:update', 500)],
    ['refuses', () => service.google.failures.set('accounts:update', 403)],
    ['is busy', () => service.google.failures.set('accounts:update', 503)],
  ])('answers anyway when Firebase %s the write, and the claims come later', async (how, fail) => {
    const user = `late-${how}`;
    service.google.claims.set(user, { plan: 'gold' });
    fail();
    const answer = await create(user, `Late when it ${how}`);
    expect(answer.status).toBe(200);
    expect(service.google.claims.get(user)).toEqual({ plan: 'gold' });
    // A user whose claims are pending can work without them: the row decides.
    const claimed = service.dashboardToken({ user, tenant: tenantOf(answer) });
    const headers = { authorization: `Bearer ${claimed}` };
    expect((await service.call('POST', '/api/v1/api-keys/list', { headers, body: {} })).status).toBe(200);

    service.google.failures.clear();
    await makeDue();
    await eventually(() =>
      expect(service.google.claims.get(user)).toEqual({ plan: 'gold', tenant_id: tenantOf(answer), role: 'owner' }),
    );
    await eventually(async () => expect(await waiting()).toEqual([]));
  });

  it('answers in time when Firebase hangs during the write, and the claims come later', async () => {
    const user = 'late-silent';
    service.google.updateDelaysMs.push(60_000);
    const answer = await create(user, 'Late when it is silent');
    expect(answer.status).toBe(200);
    expect(service.google.claims.has(user)).toBe(false);
    // The write that hangs times out first.
    await eventually(async () => {
      await makeDue();
      expect(service.google.claims.get(user)).toEqual({ tenant_id: tenantOf(answer), role: 'owner' });
    }, 45_000);
    await eventually(async () => expect(await waiting()).toEqual([]));
  }, 70_000);
});
