import type { IncomingMessage } from 'node:http';
import { Strategy } from 'passport';
import { Fault } from '../platform/errors/index.js';
import { CredentialStrategies } from './credential-strategies.js';
import type { Principal } from './principal.js';
import { ExpiredCredentialFault, RefusedCredential } from './refused-credential.js';

const ANN: Principal = Object.freeze({
  kind: 'account',
  userId: 'ann',
  email: null,
  emailVerified: false,
  claimsTenant: false,
});

/** A strategy that does what the test says. */
class Scripted extends Strategy {
  constructor(private readonly act: (strategy: Scripted, request: IncomingMessage) => void) {
    super();
  }

  override authenticate(request: IncomingMessage): void {
    this.act(this, request);
  }
}

function verify(act: ConstructorParameters<typeof Scripted>[0]): Promise<Principal> {
  const strategies = new CredentialStrategies();
  strategies.register('scripted', new Scripted(act));
  return strategies.verify('scripted', { 'x-api-key': 'k' });
}

it('a strategy that succeeds gives its principal, as the same object', async () => {
  expect(await verify((strategy) => strategy.success(ANN))).toBe(ANN);
});

it.each<[string, (strategy: Scripted) => void]>([
  ['fails', (strategy) => strategy.fail(401)],
  ['fails with a reason', (strategy) => strategy.fail({ message: 'expired' }, 401)],
  ['fails with an error as its reason', (strategy) => strategy.fail(new Error('jwt expired'))],
  ['succeeds with undefined', (strategy) => strategy.success(undefined as unknown as object)],
  ['succeeds with false', (strategy) => strategy.success(false)],
])('a strategy that %s gives 401, without the reason', async (_case, act) => {
  await expect(verify(act)).rejects.toMatchObject({ kind: 'unauthenticated', code: 'invalid_credential' });
});

it('an expired token gets that reason', async () => {
  const expired = Object.assign(new Error('jwt expired'), { name: 'TokenExpiredError' });
  const thrown: unknown = await verify((strategy) => strategy.fail(expired)).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(ExpiredCredentialFault);
  expect(thrown).toMatchObject({ kind: 'unauthenticated', code: 'expired_token' });
});

it.each([
  ['jwt malformed', 'malformed_jwt', 'malformed_credential'],
  ['invalid token', 'malformed_jwt', 'malformed_credential'],
  ['invalid signature', 'bad_signature', 'invalid_credential'],
  ['jwt signature is required', 'bad_signature', 'invalid_credential'],
  ['invalid algorithm', 'unsupported_header', 'invalid_credential'],
  ['jwt audience invalid. expected: app', 'wrong_audience', 'invalid_credential'],
  ['jwt issuer invalid. expected: https://issuer.example', 'wrong_issuer', 'invalid_credential'],
  ['something new', 'other', 'invalid_credential'],
])("the library's error %j is refused with the reason %s", async (message, reason, code) => {
  const thrown: unknown = await verify((strategy) => strategy.fail(new Error(message))).catch(
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(RefusedCredential);
  expect(thrown).toMatchObject({ reason, code });
});

it('an outage of the store is reported as such, and never as a bad credential', async () => {
  const outage = new Fault('unavailable', 'Try again.');
  await expect(verify((strategy) => strategy.error(outage))).rejects.toBe(outage);
  await expect(verify((strategy) => strategy.fail(outage))).rejects.toBe(outage);
});

it('an error of a strategy stays an error', async () => {
  const error = new TypeError('x');
  await expect(verify((strategy) => strategy.error(error))).rejects.toBe(error);
  await expect(
    verify(() => {
      throw error;
    }),
  ).rejects.toBe(error);
  await expect(verify((strategy) => strategy.error('odd'))).rejects.toMatchObject({ kind: 'internal' });
});

it('a strategy that redirects the client is an error', async () => {
  await expect(verify((strategy) => strategy.redirect('https://elsewhere.example'))).rejects.toBeInstanceOf(Error);
});

it('a strategy without a result gives 401', async () => {
  await expect(verify((strategy) => strategy.pass())).rejects.toMatchObject({ kind: 'unauthenticated' });
});

it('a strategy gets its own credential and nothing else of the request', async () => {
  let seen: IncomingMessage | undefined;
  await verify((strategy, request) => {
    seen = request;
    strategy.success(ANN);
  });
  expect(seen?.headers).toEqual({ 'x-api-key': 'k' });
  expect([seen?.url, seen?.socket, seen?.rawHeaders]).toEqual([undefined, undefined, undefined]);
});

it('a name without a strategy is an error', async () => {
  await expect(new CredentialStrategies().verify('nobody', {})).rejects.toBeInstanceOf(Error);
});

it('two applications in one process share no strategy', async () => {
  const one = new CredentialStrategies();
  one.register('scripted', new Scripted((strategy) => strategy.success(ANN)));
  await expect(new CredentialStrategies().verify('scripted', {})).rejects.toBeInstanceOf(Error);
});

it('an issuer has the verifier that was registered for it, and an unknown one has none', () => {
  const strategies = new CredentialStrategies();
  strategies.registerIssuer('https://a.example', 'a');
  expect(strategies.strategyOfIssuer('https://a.example')).toBe('a');
  for (const issuer of ['https://a.example/', 'https://A.example', '__proto__', 'constructor', '']) {
    expect(strategies.strategyOfIssuer(issuer)).toBeNull();
  }
});

describe('a room that accepts its own credentials', () => {
  const takes = (pathPrefix: string) => ({ pathPrefix, strategy: 'room', headers: ['authorization'] });

  it('decides on the routes under its prefix, and on no others', () => {
    const strategies = new CredentialStrategies();
    strategies.registerPath(takes('/rooms/'));
    for (const path of ['/rooms/', '/rooms/:id', '/rooms/:id/calls', '/rooms/*']) {
      expect(strategies.credentialOfPath(path)).toEqual(takes('/rooms/'));
    }
    for (const path of ['/', '/rooms', '/roomsother/', '/Rooms/:id', '/api/v1/rooms/:id', '/*', '']) {
      expect(strategies.credentialOfPath(path)).toBeNull();
    }
  });

  it.each(['', '/', 'rooms/', '/rooms', '//', '/rooms//'])('can not claim the prefix %j', (prefix) => {
    expect(() => new CredentialStrategies().registerPath(takes(prefix))).toThrow('from slash to slash');
  });

  it.each(['/rooms/', '/rooms/inner/', '/a/'])('can not claim %s beside /rooms/ and /a/b/', (prefix) => {
    const strategies = new CredentialStrategies();
    strategies.registerPath(takes('/rooms/'));
    strategies.registerPath(takes('/a/b/'));
    expect(() => strategies.registerPath(takes(prefix))).toThrow('Two rooms');
    expect(() => strategies.registerPath(takes('/b/'))).not.toThrow();
  });
});
