import { testSettings } from '../../../test/support/settings.js';
import type { Fault } from '../errors/index.js';
import { RequestBodies, type BodyRoom } from './request-bodies.js';

const bodies = (tenantBodyBytes: number, bodyBytes: number) =>
  new RequestBodies(testSettings({ tenantBodyBytes, bodyBytes }));

function filled(of: RequestBodies, owner: string, bytes: number): BodyRoom {
  const room = of.roomOf(owner);
  room.growTo(bytes);
  return room;
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
  it('refuses what goes beyond it, tells when to come again, and leaves others alone', () => {
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

  it('is free again once the last user of a body is done with it', () => {
    const all = bodies(100, 1000);
    const room = filled(all, 'a', 100);
    room.retain();
    room.release();
    expect(refusal(() => filled(all, 'a', 1)).status).toBe(429);
    room.release();
    expect(all.taken).toBe(0);
    filled(all, 'a', 100);
  });

  it('lets a first body in whatever its size, or it would never be served', () => {
    const all = bodies(100, 1000);
    filled(all, 'a', 5000);
    expect(refusal(() => filled(all, 'a', 1)).status).toBe(429);
  });

  it('is half of all at most', () => {
    const all = bodies(1000, 1000);
    filled(all, 'a', 400);
    expect(refusal(() => filled(all, 'a', 101)).status).toBe(429);
    filled(all, 'b', 500);
  });
});

it('all bodies together over the limit are 503, and nothing of the refused one is kept', () => {
  const all = bodies(1000, 1000);
  for (const owner of ['a', 'b', 'c']) filled(all, owner, 300);
  expect(refusal(() => filled(all, 'd', 101))).toMatchObject({ status: 503, retryAfterSeconds: 1 });
  expect(all.taken).toBe(900);
  filled(all, 'd', 100);
});
