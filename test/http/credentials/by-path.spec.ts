/** A room of this test, with a controller and a strategy as rooms have them, accepts its own tokens on its own paths. */
import { Controller, HttpCode, Injectable, Module, Post } from '@nestjs/common';
import { Strategy } from 'passport';
import {
  Access,
  CredentialStrategies,
  CurrentPrincipal,
  refusedCredential,
  type PresentedRequest,
  type SecretKeyPrincipal,
} from '../../../src/identity/index.js';
import { Fault } from '../../../src/platform/errors/index.js';
import { PLATFORM_DIALECT, SpeaksDialect } from '../../../src/platform/http/index.js';
import { startService, type Answer, type Org, type TestService } from '../../support/service.js';

const TOKEN_OF_RED = 'token-of-red';

/** Accepts one token, which is valid in one room. */
@Injectable()
class RoomTokenStrategy extends Strategy {
  constructor(strategies: CredentialStrategies) {
    super();
    strategies.register('room-token', this);
    strategies.registerPath({
      pathPrefix: '/rooms/',
      strategy: 'room-token',
      headers: ['x-room-authorization', 'authorization'],
    });
  }

  override authenticate(request: unknown): void {
    const { headers, pathParameters } = request as PresentedRequest;
    const token = headers['authorization'];
    if (token === 'Bearer outage') this.error(new Fault('unavailable', 'Try again.'));
    else if (token !== `Bearer ${TOKEN_OF_RED}` || pathParameters['room'] !== 'red')
      this.error(refusedCredential('other'));
    else
      this.success({
        kind: 'secretKey',
        ...{ tenantId: 'red-tenant', keyId: 'red-token', human: null },
        ...{ scopes: new Set(), requestsPerMinute: 77 },
      } satisfies SecretKeyPrincipal);
  }
}

@SpeaksDialect(PLATFORM_DIALECT)
@Controller('rooms/:room')
class RoomController {
  @Post('enter')
  @HttpCode(200)
  @Access({ secretKey: true })
  enter(@CurrentPrincipal(['secretKey']) principal: SecretKeyPrincipal): object {
    return { entered: principal.keyId };
  }
}

@Module({ controllers: [RoomController], providers: [RoomTokenStrategy] })
class TestRoom {}

let service: TestService;
let org: Org;
let key: string;

beforeAll(async () => {
  service = await startService({ rooms: [TestRoom] });
  org = await service.createOrg('founder');
  ({ key } = await service.createKey(org));
});

afterAll(() => service.stop());

const enter = (headers: Readonly<Record<string, string>>, path = '/rooms/red/enter'): Promise<Answer> =>
  service.call('POST', path, { headers });

it("accepts a room's own token on the room's own path, and counts it in a window", async () => {
  for (const header of ['x-room-authorization', 'authorization']) {
    const answer = await enter({ [header]: `Bearer ${TOKEN_OF_RED}` });
    expect(answer).toMatchObject({ status: 200, headers: { 'x-ratelimit-limit': '77' } });
    expect(answer.json()).toEqual({ entered: 'red-token' });
  }
});

it("reads only the first of the room's headers that is present", async () => {
  const both = { 'x-room-authorization': `Bearer ${TOKEN_OF_RED}`, authorization: `Bearer ${key}` };
  expect(await enter(both)).toMatchObject({ status: 200 });
  const wrong = { 'x-room-authorization': 'Bearer nothing', authorization: `Bearer ${TOKEN_OF_RED}` };
  expect(await enter(wrong)).toMatchObject({ status: 401 });
});

it("accepts no other credential there, even if valid elsewhere, and no room's token in another room", async () => {
  const user = service.dashboardToken({ user: org.user, tenant: org.tenantId });
  for (const headers of [
    {},
    { authorization: `Bearer ${key}` },
    { 'x-api-key': key },
    { authorization: `Bearer ${user}` },
    { authorization: TOKEN_OF_RED },
    { authorization: 'Bearer other' },
  ]) {
    expect(await enter(headers)).toMatchObject({ status: 401 });
  }
  expect(await enter({ authorization: `Bearer ${TOKEN_OF_RED}` }, '/rooms/blue/enter')).toMatchObject({ status: 401 });
});

it('decides by the route, however the caller spells its address', async () => {
  for (const path of ['/%72ooms/red/enter', '/rooms/%72ed/enter', '/rooms/red/enter/', '/rooms/red/enter?a=/v1/']) {
    expect(await enter({ authorization: `Bearer ${TOKEN_OF_RED}` }, path)).toMatchObject({ status: 200 });
    expect(await enter({ authorization: `Bearer ${key}` }, path)).toMatchObject({ status: 401 });
  }
});

it('reports an outage of the room as an outage', async () => {
  expect(await enter({ authorization: 'Bearer outage' })).toMatchObject({ status: 503 });
});

it("leaves every other path unchanged: there a room's token is not a credential by its shape", async () => {
  const models = (token: string): Promise<Answer> =>
    service.call('GET', '/v1/models', { headers: { authorization: `Bearer ${token}` } });
  expect(await models(key)).toMatchObject({ status: 200 });
  expect(await models(TOKEN_OF_RED)).toMatchObject({ status: 401 });
});
