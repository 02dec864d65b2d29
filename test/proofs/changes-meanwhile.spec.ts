/**
 * Changes while a call is open: of its limit, its human, its key. Earlier calls do not affect a limit that is set again, an
 * erased human is not recreated, and a revocation refuses the next call, while an admitted stream continues to its end and is
 * charged.
 */
import { Database } from '../../src/platform/database/index.js';
import { UPSTREAM_MODEL, completion, streamPieces, usageOf } from '../support/openai-upstream.js';
import {
  accountsOf,
  setLimits,
  units,
  type Account,
  type CountedType,
  type LimitValues,
} from '../support/proof-limits.js';
import { startService, type Answer, type MadeKey, type Org, type TestService } from '../support/service.js';
import { eventually, pause } from '../support/eventually.js';
import { clearLedger, settledCall, settledCalls } from '../http/ledger.js';
import { OpenStream } from '../http/open-stream.js';
import { openaiError } from '../http/refusals.js';

let service: TestService;
let org: Org;
let key: MadeKey;

beforeAll(async () => {
  service = await startService();
  org = await service.createOrg('founder');
  key = await service.createKey(org, { scopes: ['chat:write', 'usage:write', 'humans:write'] });
});

afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  await clearLedger(service);
});

const MESSAGES = [{ role: 'user', content: 'Count, please.' }];
const BODY = { model: UPSTREAM_MODEL, messages: MESSAGES, stream: true, max_completion_tokens: 200 };
/** The usage that the upstream reports of each stream, and its token_cnt. */
const USAGE = usageOf(7, 30);
const TOKENS = units(37);

const setOf = (human: string, limits: LimitValues): Promise<unknown> =>
  setLimits(service.app.get(Database), org.tenantId, human, limits);

async function accountsOfHuman(human: string): Promise<Partial<Record<CountedType, Account>>> {
  const all = await accountsOf((text, values) => service.sql(text, values), org.tenantId);
  return Object.fromEntries(all.filter((one) => one.human === human).map((one) => [one.type, one]));
}

interface HeldStream {
  readonly stream: OpenStream;
  /** Lets the upstream send the rest, and waits for the end. */
  finish(): Promise<void>;
}

/** A stream whose first words have arrived, and whose others wait. */
async function heldStream(
  human: string,
  headers: Record<string, string> = { 'x-human-id': human },
): Promise<HeldStream> {
  const [opening, ...rest] = streamPieces({ words: ['one', ' two', ' three'], usage: USAGE });
  let release: (piece: unknown) => void = () => undefined;
  const held = new Promise((resolve) => (release = resolve));
  const [first, next, ...last] = rest;
  service.upstream.next({ kind: 'stream', pieces: [opening, first, held, ...last] });
  const stream = OpenStream.start(service, key.key, BODY, headers);
  await stream.until('one');
  return {
    stream,
    async finish() {
      release(next);
      await stream.whole();
    },
  };
}

const complete = (headers: Record<string, string>): Promise<Answer> =>
  service.call('POST', '/v1/chat/completions', {
    headers: { 'x-api-key': key.key, ...headers },
    body: { ...BODY, stream: false },
  });

function expectWhole(stream: OpenStream): void {
  expect(stream.events.at(-1)).toBe('[DONE]');
  expect(stream.text).toContain(' three');
  expect(stream.ended).toBe(true);
}

describe('a limit that is set between a call’s reservation and its settlement', () => {
  it('stays as it was set: the call is in the ledger, and charged to the other limits only', async () => {
    await setOf('ann', { token_cnt: units(10_000), request_cnt: units(5) });
    const held = await heldStream('ann');
    const before = await accountsOfHuman('ann');
    expect(before.token_cnt!.reserved).toBeGreaterThan(units(200));
    expect(before.request_cnt).toMatchObject({ left: units(5), reserved: units(1) });

    await setOf('ann', { token_cnt: units(3000) });
    expect(await accountsOfHuman('ann')).toMatchObject({
      token_cnt: { left: units(3000), reserved: 0n },
      request_cnt: { left: units(5), reserved: units(1) },
    });
    await held.finish();
    expectWhole(held.stream);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', input_tokens: 7, output_tokens: 30 });
    expect(await accountsOfHuman('ann')).toMatchObject({
      token_cnt: { left: units(3000), reserved: 0n, spent: 0n },
      request_cnt: { left: units(4), reserved: 0n },
    });
  });

  it('to 0 does not cut the open call, and refuses the next', async () => {
    await setOf('bob', { request_cnt: units(5) });
    const held = await heldStream('bob');
    await setOf('bob', { request_cnt: 0n });
    expect(openaiError(await complete({ 'x-human-id': 'bob' }), 429)).toMatchObject({ type: 'usage_limit_exceeded' });
    await held.finish();
    expectWhole(held.stream);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK' });
    expect(await accountsOfHuman('bob')).toMatchObject({ request_cnt: { left: 0n, reserved: 0n } });
  });

  it('and is new does not count calls that were admitted without it', async () => {
    const held = await heldStream('eve');
    await setOf('eve', { token_cnt: units(1000) });
    await held.finish();
    await settledCall(service);
    expect(await accountsOfHuman('eve')).toMatchObject({ token_cnt: { left: units(1000), reserved: 0n, spent: 0n } });
  });

  it('and is removed keeps no usage: the next value starts at its own amount', async () => {
    await setOf('joe', { token_cnt: units(10_000) });
    const held = await heldStream('joe');
    await setOf('joe', { token_cnt: null });
    await setOf('joe', { token_cnt: units(400) });
    await held.finish();
    await settledCall(service);
    expect(await accountsOfHuman('joe')).toMatchObject({ token_cnt: { left: units(400), reserved: 0n } });
  });
});

describe('a human who is deleted between a call’s reservation and its settlement', () => {
  const erase = (human: string): Promise<Answer> =>
    service.call('POST', '/api/v1/humans/delete', { headers: { 'x-api-key': key.key }, body: { human } });

  it('is not recreated: the stream ends whole, and the ledger has it under an id without a name', async () => {
    await setOf('kim', { token_cnt: units(10_000), request_cnt: units(5) });
    const { humanId } = (await accountsOfHuman('kim')).token_cnt!;
    const held = await heldStream('kim');
    await erase('kim');
    await held.finish();
    expectWhole(held.stream);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', human_id: humanId, output_tokens: 30 });
    expect(await service.sql('SELECT 1 FROM humans WHERE human = $1 OR id = $2', ['kim', humanId])).toEqual([]);
  });

  it('and comes again is a new human with the default limits, which the old call does not use', async () => {
    await service.sql('UPDATE tenants SET default_limits = $1 WHERE id = $2', [
      JSON.stringify([{ type: 'token_cnt', microUnits: String(units(2000)) }]),
      org.tenantId,
    ]);
    await setOf('lea', { token_cnt: null, request_cnt: units(5) });
    const { humanId } = (await accountsOfHuman('lea')).token_cnt!;
    const held = await heldStream('lea');
    await erase('lea');
    service.upstream.next({ kind: 'body', body: completion({ usage: USAGE }) });
    expect((await complete({ 'x-human-id': 'lea' })).status).toBe(200);
    await held.finish();
    await settledCalls(service, 2);
    const again = (await accountsOfHuman('lea')).token_cnt!;
    expect(again.humanId).not.toBe(humanId);
    expect(again).toMatchObject({ left: units(2000) - TOKENS, reserved: 0n, spent: TOKENS });
    await service.sql('UPDATE tenants SET default_limits = NULL WHERE id = $1', [org.tenantId]);
  });
});

/** Resolves once the service knows that a credential is not valid any more. The calls that it makes meanwhile are not charged. */
const refused = (headers: Record<string, string>): Promise<void> =>
  eventually(async () => (await service.call('GET', '/v1/models', { headers })).status === 401);

describe('a key that is revoked during a stream', () => {
  it('does not cut it: it continues to its end and is charged; the next call is 401', async () => {
    const own = key;
    key = await service.createKey(org, { scopes: ['chat:write'] });
    try {
      await setOf('max', { token_cnt: units(10_000), request_cnt: units(5) });
      const held = await heldStream('max');
      await service.asUser({ user: org.user, tenant: org.tenantId }, 'api-keys/revoke', { key_id: key.keyId });
      await refused({ 'x-api-key': key.key });
      openaiError(await complete({ 'x-human-id': 'max' }), 401);
      expect(held.stream.ended).toBe(false);
      await held.finish();
      expectWhole(held.stream);
      expect(await settledCall(service)).toMatchObject({ outcome: 'OK', key_id: key.keyId, output_tokens: 30 });
      expect(await accountsOfHuman('max')).toMatchObject({
        token_cnt: { left: units(10_000) - TOKENS, reserved: 0n },
        request_cnt: { left: units(4), reserved: 0n },
      });
      openaiError(await complete({ 'x-human-id': 'max' }), 401);
    } finally {
      key = own;
    }
  });
});

describe('a usage token during a stream', () => {
  const usage = (route: string, body: object): Promise<Answer> =>
    service.call('POST', `/v1/usage/${route}`, { headers: { 'x-api-key': key.key }, body });
  const tokenOf = async (human: string): Promise<string> =>
    (await usage('token', { human, limits: [{ type: 'token_cnt', value: 10_000 }] })).json<{ token: string }>().token;
  const call = (token: string): Promise<Answer> =>
    service.call('POST', '/v1/chat/completions', {
      headers: { authorization: `Bearer ${token}` },
      body: { ...BODY, stream: false },
    });

  async function goesOnAlthough(human: string, change: () => Promise<unknown>): Promise<void> {
    const token = await tokenOf(human);
    const held = await heldStream(human, { authorization: `Bearer ${token}` });
    await change();
    await refused({ authorization: `Bearer ${token}` });
    openaiError(await call(token), 401);
    expect(held.stream.ended).toBe(false);
    await held.finish();
    expectWhole(held.stream);
    expect(await settledCall(service)).toMatchObject({ outcome: 'OK', key_id: key.keyId, output_tokens: 30 });
    expect(await accountsOfHuman(human)).toMatchObject({
      token_cnt: { left: units(10_000) - TOKENS, reserved: 0n },
    });
  }

  it('that is revoked does not cut it; it is charged, and the next call is 401', () =>
    goesOnAlthough('nia', () => usage('token/revoke', { human: 'nia' })));

  it('that is shortened into the past does not cut it either', () =>
    goesOnAlthough('oli', () => usage('token/update_ttl', { human: 'oli', ttl_seconds: 1 })));

  it('that is extended meanwhile stays valid', async () => {
    const token = (await usage('token', { human: 'pat', ttl_seconds: 5 })).json<{ token: string }>().token;
    const held = await heldStream('pat', { authorization: `Bearer ${token}` });
    await usage('token/update_ttl', { human: 'pat', ttl_seconds: 3600 });
    await pause(5500);
    service.upstream.next({ kind: 'body', body: completion({ usage: USAGE }) });
    expect((await call(token)).status).toBe(200);
    await held.finish();
    expectWhole(held.stream);
  });
});

describe('a limit that is set over HTTP between a call’s reservation and its settlement', () => {
  it('stays as it was set, and is shown so', async () => {
    const headers = { 'x-api-key': key.key };
    const put = (value: number): Promise<Answer> =>
      service.call('PUT', '/v1/usage/token', {
        headers,
        body: { human: 'quin', limits: [{ type: 'token_cnt', value }] },
      });
    await put(10_000);
    const held = await heldStream('quin');
    expect((await put(3000)).status).toBe(200);
    await held.finish();
    const left = await service.call('GET', '/v1/usage/limits', { headers: { ...headers, 'x-human-id': 'quin' } });
    expect(left.json()).toEqual([{ type: 'token_cnt', value: 3000 }]);
  });
});
