import { Places } from './places.js';

const NAMES = { what: 'calls', ofTenantSetting: 'TENANT_CALLS', ofOrgSetting: 'ORG_CALLS', allSetting: 'CALLS' };
const of = (tenantId: string, orgId = `org of ${tenantId}`) => ({ tenantId, orgId });

/** The number of places that the owner gets before the first refusal, and that refusal. */
function takeAll(places: Places, owner: ReturnType<typeof of>): { taken: number; refusal: unknown } {
  for (let taken = 0; ; taken += 1) {
    try {
      places.take(owner);
    } catch (refusal) {
      return { taken, refusal };
    }
  }
}

it('gives a tenant its share, refuses more at once, and takes places back', () => {
  const places = new Places({ ...NAMES, most: 10, ofTenant: 3, ofOrg: 5 });
  const { taken, refusal } = takeAll(places, of('acme'));
  expect(taken).toBe(3);
  expect(refusal).toMatchObject({
    kind: 'rate_limited',
    code: 'concurrency_limit_exceeded',
    retryAfterSeconds: expect.any(Number) as number,
    message: expect.stringContaining('TENANT_CALLS') as string,
  });
  places.leave(of('acme'));
  places.take(of('acme'));
  expect(places).toMatchObject({ taken: 3, refused: 1, most: 10 });
});

it('gives all tenants of an org together the share of an org', () => {
  const places = new Places({ ...NAMES, most: 100, ofTenant: 3, ofOrg: 5 });
  expect(takeAll(places, of('a', 'org')).taken).toBe(3);
  const { taken, refusal } = takeAll(places, of('b', 'org'));
  expect(taken).toBe(2);
  expect(refusal).toMatchObject({ kind: 'rate_limited', message: expect.stringContaining('ORG_CALLS') as string });
  expect(takeAll(places, of('c')).taken).toBe(3);
});

it('gives each of those that take all they can get less than the previous one, so that others find a place', () => {
  const places = new Places({ ...NAMES, most: 512, ofTenant: 256, ofOrg: 320 });
  const parts = Array.from({ length: 6 }, (_, tenant) => takeAll(places, of(`greedy ${tenant}`)).taken);
  expect(parts).toEqual([256, 171, 57, 19, 6, 2]);
  expect(takeAll(places, of('late')).taken).toBe(1);
});

it('answers 503 where every place is taken', () => {
  const places = new Places({ ...NAMES, most: 2, ofTenant: 2, ofOrg: 2 });
  places.take(of('a'));
  places.take(of('b'));
  expect(takeAll(places, of('c')).refusal).toMatchObject({ kind: 'unavailable' });
});
