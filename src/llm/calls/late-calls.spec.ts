import { LateCalls } from './late-calls.js';

const of = (tenantId: string, orgId = `org of ${tenantId}`) => ({ tenantId, orgId });

/** The number of places that the tenant gets. */
function takeAll(lateCalls: LateCalls, owner: ReturnType<typeof of>): number {
  let taken = 0;
  while (lateCalls.admit(owner)) taken += 1;
  return taken;
}

it('gives one tenant, and one org, half of the places at most, and fewer to later ones', () => {
  const lateCalls = new LateCalls(64);
  expect(takeAll(lateCalls, of('greedy', 'org'))).toBe(32);
  expect(takeAll(lateCalls, of('its sister', 'org'))).toBe(0);
  expect(takeAll(lateCalls, of('another'))).toBe(22);
  expect(takeAll(lateCalls, of('a third'))).toBeGreaterThan(0);
});

it('takes a place back', () => {
  const lateCalls = new LateCalls(1);
  expect(takeAll(lateCalls, of('acme'))).toBe(1);
  lateCalls.leave(of('acme'));
  expect(takeAll(lateCalls, of('acme'))).toBe(1);
});
