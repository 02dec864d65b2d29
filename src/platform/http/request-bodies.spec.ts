import { testSettings } from '../../../test/support/settings.js';
import type { Fault } from '../errors/index.js';
import { RequestBodies, type BodyRoom } from './request-bodies.js';

const bodies = (tenantBodyBytes: number, bodyBytes: number) =>
  new RequestBodies(testSettings({ tenantBodyBytes, bodyBytes }));

function filled(of: RequestBodies, tenantId: string, bytes: number, orgId = `org of ${tenantId}`): BodyRoom {
  const room = of.roomOf({ tenantId, orgId });
  room.growTo(bytes);
  return room;
}

function attempt(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

function refusal(work: () => unknown): Fault {
  try {
    work();
  } catch (error) {
    return error as Fault;
  }
  throw new Error('It was let in.');
}

describe('the share of one owner', () => {
  it('refuses bodies beyond it, with the time to retry, and does not affect others', () => {
    const all = bodies(100, 1000);
    filled(all, 'a', 60);
    const fault = refusal(() => filled(all, 'a', 41));
    expect(fault).toMatchObject({ status: 429, code: 'concurrency_limit_exceeded', retryAfterSeconds: 1 });
    filled(all, 'a', 40);
    filled(all, 'b', 100);
    expect(all.taken).toBe(200);
  });

  it('counts a body as it grows', () => {
    const all = bodies(100, 1000);
    filled(all, 'a', 60);
    const room = filled(all, 'a', 30);
    room.growTo(40);
    expect(refusal(() => room.growTo(41)).status).toBe(429);
    expect(all.taken).toBe(100);
  });

  it('is free again once the last user of a body has finished with it', () => {
    const all = bodies(100, 1000);
    const room = filled(all, 'a', 100);
    room.retain();
    room.release();
    expect(refusal(() => filled(all, 'a', 1)).status).toBe(429);
    room.release();
    expect(all.taken).toBe(0);
    filled(all, 'a', 100);
  });

  it('admits a first body of any size, which would otherwise never be served', () => {
    const all = bodies(100, 1000);
    filled(all, 'a', 5000);
    expect(refusal(() => filled(all, 'a', 1)).status).toBe(429);
  });

  it('is half of all at most', () => {
    const all = bodies(1000, 1000);
    filled(all, 'a', 400);
    expect(refusal(() => filled(all, 'a', 101)).status).toBe(429);
    filled(all, 'b', 300);
  });
});

it('all bodies together over the limit give 503, and nothing of the refused one is kept', () => {
  const all = bodies(1000, 1000);
  for (const owner of ['a', 'b']) filled(all, owner, 300);
  expect(refusal(() => filled(all, 'd', 401))).toMatchObject({ status: 503, retryAfterSeconds: 1 });
  expect(all.taken).toBe(600);
  filled(all, 'd', 100);
});

it('the tenants of one org together leave room for others', () => {
  const all = bodies(500, 1000);
  filled(all, 'a', 500, 'org');
  filled(all, 'b', 125, 'org');
  for (const tenant of ['a', 'b', 'c']) expect(refusal(() => filled(all, tenant, 1, 'org')).status).toBe(429);
  filled(all, 'd', 200);
});

it('orgs that take all they can get take less and less, so that others find room', () => {
  const all = bodies(1000, 1000);
  for (const org of ['a', 'b', 'c', 'd', 'e', 'f']) {
    let bytes = 0;
    while (attempt(() => filled(all, org, 1))) bytes += 1;
    expect(bytes).toBeGreaterThan(0);
  }
  filled(all, 'late', 1);
});
