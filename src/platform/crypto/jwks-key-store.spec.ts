import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { Fault } from '../errors/index.js';
import type { JwksDocument } from './jwks-document.js';
import { JwksKeyStore } from './jwks-key-store.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const entry = (kid: string): object => ({ ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' });

/** An issuer whose answers a test sets, and a clock that the test moves. */
class Issuer {
  fetches = 0;
  nowMs = 0;
  document: JwksDocument = { keys: [entry('one')], maxAgeSeconds: 600 };
  down = false;
  /** While set, answers wait for it. */
  gate: Promise<void> | null = null;
  readonly failures: unknown[] = [];

  readonly store = new JwksKeyStore({
    fetchJwks: () => this.answer(),
    allowedAlgorithms: ['RS256'],
    onFetchFailed: (error) => this.failures.push(error),
    monotonicNowMs: () => this.nowMs,
  });

  find(kid: string | null): Promise<KeyObject | null> {
    return this.store.find(kid, 'RS256');
  }

  hold(): () => void {
    let open: () => void = () => undefined;
    this.gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  private async answer(): Promise<JwksDocument> {
    this.fetches += 1;
    const { document, down } = this;
    await this.gate;
    if (down) throw new Error('issuer down');
    return document;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('JwksKeyStore', () => {
  it("gives a key that verifies the issuer's signatures, and keeps it", async () => {
    const issuer = new Issuer();
    const key = await issuer.find('one');
    const data = Buffer.from('signed');
    expect(key !== null && verify('sha256', data, key, sign('sha256', data, pair.privateKey))).toBe(true);
    expect(await issuer.find('one')).toBe(key);
    expect(issuer.fetches).toBe(1);
  });

  it('asks the issuer once for any number of waiting requests', async () => {
    const issuer = new Issuer();
    const found = await Promise.all(Array.from({ length: 100 }, () => issuer.find('one')));
    expect(issuer.fetches).toBe(1);
    expect(new Set(found).size).toBe(1);
  });

  it('asks again for an unknown kid, but not within 30 s of the last answer', async () => {
    const issuer = new Issuer();
    await issuer.find('one');
    issuer.document = { keys: [entry('one'), entry('two')] };
    issuer.nowMs += 29 * SECOND;
    expect(await issuer.find('two')).toBeNull();
    expect(issuer.fetches).toBe(1);
    issuer.nowMs += 2 * SECOND;
    expect(await issuer.find('two')).not.toBeNull();
    expect(issuer.fetches).toBe(2);
  });

  it('does not overload the issuer for invented kids', async () => {
    const issuer = new Issuer();
    await issuer.find('one');
    issuer.nowMs += 31 * SECOND;
    for (let i = 0; i < 50; i += 1) expect(await issuer.find(`invented-${i}`)).toBeNull();
    expect(issuer.fetches).toBe(2);
  });

  it('serves an expired key at once and refreshes it behind the request', async () => {
    const issuer = new Issuer();
    const key = await issuer.find('one');
    issuer.nowMs += 10 * MINUTE + SECOND;
    const open = issuer.hold();
    expect(await issuer.find('one')).toBe(key);
    expect(issuer.fetches).toBe(2);
    issuer.document = { keys: [entry('two')] };
    open();
    await settled();
    expect(issuer.fetches).toBe(2);
  });

  it('drops a key that the issuer removed, once its age is over', async () => {
    const issuer = new Issuer();
    await issuer.find('one');
    issuer.document = { keys: [entry('two')], maxAgeSeconds: 600 };
    issuer.nowMs += 10 * MINUTE + SECOND;
    await issuer.find('one');
    await settled();
    expect(await issuer.find('one')).toBeNull();
  });

  it('asks first after a long pause: a key that was removed meanwhile is not used even once', async () => {
    const issuer = new Issuer();
    await issuer.find('one');
    issuer.document = { keys: [entry('two')] };
    issuer.nowMs += 24 * 60 * MINUTE;
    expect(await issuer.find('one')).toBeNull();
  });

  it('keeps using stale keys while the issuer is down, and asks it once in 5 s', async () => {
    const issuer = new Issuer();
    const key = await issuer.find('one');
    issuer.down = true;
    issuer.nowMs += 24 * 60 * MINUTE;
    for (let i = 0; i < 20; i += 1) expect(await issuer.find('one')).toBe(key);
    expect(issuer.fetches).toBe(2);
    issuer.nowMs += 6 * SECOND;
    expect(await issuer.find('one')).toBe(key);
    await settled();
    expect(issuer.fetches).toBe(3);
    expect(issuer.failures).toHaveLength(2);
  });

  it('makes no request wait for an issuer that has just failed', async () => {
    const issuer = new Issuer();
    const key = await issuer.find('one');
    issuer.down = true;
    issuer.nowMs += 24 * 60 * MINUTE;
    await issuer.find('one');
    issuer.nowMs += 6 * SECOND;
    const open = issuer.hold();
    expect(await issuer.find('one')).toBe(key);
    open();
    await settled();
  });

  it('answers 503, not 401, while there is no key at all and the issuer is down; and recovers', async () => {
    const issuer = new Issuer();
    issuer.down = true;
    for (let i = 0; i < 3; i += 1) {
      const fault = await issuer.find('one').catch((error: unknown) => error);
      expect(fault).toBeInstanceOf(Fault);
      expect(fault).toMatchObject({ kind: 'unavailable', status: 503 });
    }
    expect(issuer.fetches).toBe(1);
    issuer.down = false;
    issuer.nowMs += 6 * SECOND;
    expect(await issuer.find('one')).not.toBeNull();
  });

  it('answers 503 for an unknown kid while the issuer can’t be asked', async () => {
    const issuer = new Issuer();
    await issuer.find('one');
    issuer.down = true;
    issuer.nowMs += 31 * SECOND;
    await expect(issuer.find('two')).rejects.toMatchObject({ kind: 'unavailable' });
  });

  it.each<[string, JwksDocument]>([
    ['an empty set', { keys: [] }],
    ['a set without a usable key', { keys: [{ kid: 'one', kty: 'oct', k: 'AAAA' }, null, 'x'] }],
  ])('treats %s as a broken issuer, and keeps its keys', async (_what, document) => {
    const issuer = new Issuer();
    const key = await issuer.find('one');
    issuer.document = document;
    issuer.nowMs += 24 * 60 * MINUTE;
    expect(await issuer.find('one')).toBe(key);
    expect(issuer.failures).toHaveLength(1);
  });

  it('ignores a bad entry, and uses the first of two with the same kid', async () => {
    const issuer = new Issuer();
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
    issuer.document = { keys: [null, { kid: 'bad' }, entry('one'), { ...other, kid: 'one' }] };
    const key = await issuer.find('one');
    expect(key?.export({ format: 'jwk' }).n).toBe(pair.publicKey.export({ format: 'jwk' }).n);
  });

  describe('for a token without a kid', () => {
    const unnamed = { ...pair.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };

    it.each([
      ['has no kid either', unnamed],
      ['has one', entry('one')],
    ])('gives the only key, which %s', async (_what, only) => {
      const issuer = new Issuer();
      issuer.document = { keys: [only, { ...only, alg: 'RS512' }] };
      expect((await issuer.find(null))?.export({ format: 'jwk' }).n).toBe(unnamed.n);
      expect(await issuer.store.find(null, 'PS256')).toBeNull();
      expect(issuer.fetches).toBe(1);
    });

    it.each<[string, object[]]>([
      ['two keys', [entry('one'), entry('two')]],
      ['two keys without a kid', [unnamed, unnamed]],
      ['one key without a kid and another with one', [unnamed, entry('one')]],
    ])('chooses none of %s', async (_what, keys) => {
      const issuer = new Issuer();
      issuer.document = { keys };
      expect(await issuer.find(null)).toBeNull();
    });

    it('asks first, and answers 503 while the issuer can’t be asked', async () => {
      const issuer = new Issuer();
      issuer.down = true;
      await expect(issuer.find(null)).rejects.toMatchObject({ kind: 'unavailable' });
      expect(issuer.fetches).toBe(1);
    });
  });

  it('gives a key without a kid to no token that names one', async () => {
    const issuer = new Issuer();
    issuer.document = { keys: [pair.publicKey.export({ format: 'jwk' })] };
    for (const kid of ['null', 'undefined', '']) expect(await issuer.find(kid)).toBeNull();
  });

  it('reads a bounded number of entries', async () => {
    const keys = [entry('one'), entry('two'), entry('three')];
    const store = new JwksKeyStore({
      fetchJwks: () => Promise.resolve({ keys }),
      allowedAlgorithms: ['RS256'],
      maxKeys: 2,
    });
    expect(await store.find('two', 'RS256')).not.toBeNull();
    expect(await store.find('three', 'RS256')).toBeNull();
  });

  it('gives no key for an algorithm that the key does not serve', async () => {
    const issuer = new Issuer();
    expect(await issuer.store.find('one', 'PS256')).toBeNull();
    expect(await issuer.store.find('one', 'ES256')).toBeNull();
  });

  it.each<[string, number | undefined, number, number]>([
    ['no age is an hour', undefined, 59 * MINUTE, 61 * MINUTE],
    ['an age of 0 is still 30 s', 0, 29 * SECOND, 31 * SECOND],
    ['an age of a year is a day', 365 * 24 * 3600, 23 * 60 * MINUTE, 24 * 60 * MINUTE + SECOND],
  ])('bounds the age that an issuer may set: %s', async (_what, maxAgeSeconds, freshMs, expiredMs) => {
    const issuer = new Issuer();
    issuer.document = { keys: [entry('one')], ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) };
    await issuer.find('one');
    issuer.nowMs = freshMs;
    await issuer.find('one');
    expect(issuer.fetches).toBe(1);
    issuer.nowMs = expiredMs;
    await issuer.find('one');
    expect(issuer.fetches).toBe(2);
  });
});
