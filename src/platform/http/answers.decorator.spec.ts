import {
  Controller,
  Get,
  HttpCode,
  Module,
  Post,
  SetMetadata,
  StreamableFile,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, NestFactory, Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';
import { captureLog } from '../../../test/support/captured-log.js';
import { testSettings } from '../../../test/support/settings.js';
import { Answers } from './answers.decorator.js';
import { SpeaksDialect } from './dialect.js';
import { OPENAI_DIALECT } from './openai.dialect.js';
import { PLATFORM_DIALECT } from './platform.dialect.js';
import { DialectGuard } from './dialect.guard.js';
import { Drain } from './drain.js';
import { FaultFilter } from './fault.filter.js';
import { PacedRefusals } from './paced-refusals.js';
import { integer } from '../protojson/index.js';
import { PlatformBody } from './platform-body.decorator.js';
import { RequestBodies } from './request-bodies.js';

const SECRET = 'hunter2';
const ANSWER = z.object({ name: z.string(), count: z.number(), note: z.string().optional() });
const row = { name: '', count: 0, note: null };

@SpeaksDialect(PLATFORM_DIALECT)
@Controller('platform')
class PlatformController {
  private readonly count = 7;

  @Post('row')
  @HttpCode(200)
  @SetMetadata('above', 'a')
  @Answers(ANSWER)
  @SetMetadata('below', 'b')
  row(@PlatformBody(z.strictObject({ addOf: integer(0, 5).default(0) })) { addOf }: { addOf: number }): object {
    return { ...row, count: this.count + addOf };
  }

  @Get('later')
  @Answers(ANSWER)
  async later(): Promise<object> {
    await Promise.resolve();
    return row;
  }

  @Answers(ANSWER)
  @Get('spread')
  spread(): object {
    return { ...row, hash: SECRET };
  }

  @Get('file')
  @Answers(ANSWER, { orFile: 'text/csv' })
  file(): object {
    return new StreamableFile(Buffer.from('a,b'), { type: 'text/csv' });
  }

  @Get('other-file')
  @Answers(ANSWER, { orFile: 'text/csv' })
  otherFile(): object {
    return new StreamableFile(Buffer.from(SECRET), { type: 'text/html' });
  }

  @Get('undeclared-file')
  @Answers(ANSWER)
  undeclaredFile(): object {
    return new StreamableFile(Buffer.from(SECRET), { type: 'text/csv' });
  }
}

@SpeaksDialect(OPENAI_DIALECT)
@Controller('openai')
class OpenaiController {
  @Get('row')
  @Answers(z.object({ created_at: z.number() }))
  row(): object {
    return { created_at: 1, system_fingerprint: null };
  }
}

/** The metadata of a handler that a guard can read. */
const seen: unknown[] = [];
class LookingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const reflector = new Reflector();
    const handler = context.getHandler();
    seen.push(reflector.get('above', handler), reflector.get('below', handler), handler.name);
    return true;
  }
}

@Module({
  controllers: [PlatformController, OpenaiController],
  providers: [
    { provide: APP_FILTER, useClass: FaultFilter },
    { provide: APP_GUARD, useClass: DialectGuard },
    { provide: APP_GUARD, useClass: LookingGuard },
  ],
})
class TestModule {}

let app: NestFastifyApplication;

beforeAll(async () => {
  app = await NestFactory.create<NestFastifyApplication>(TestModule, new FastifyAdapter(), {
    logger: false,
    bodyParser: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  fastify.decorate('bodies', new RequestBodies(testSettings()));
  fastify.decorate('refusals', new PacedRefusals(testSettings(), new Drain()));
  fastify.decorateRequest('bodyRoom', null);
  for (const name of ['context', 'dialect', 'spellings']) fastify.decorateRequest(name, undefined);
  await app.listen(0, '127.0.0.1');
});

afterAll(() => app.close());

async function call(method: 'GET' | 'POST', path: string, payload?: string) {
  const response = await app.inject({ method, url: path, ...(payload === undefined ? {} : { payload }) });
  return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
}

it('a platform handler’s answer is sent as it was declared', async () => {
  expect(await call('POST', '/platform/row', '{"add_of":2}')).toEqual({ status: 200, body: { name: '', count: 9 } });
  expect(await call('GET', '/platform/later')).toEqual({ status: 200, body: { name: '', count: 0 } });
});

it('an undeclared field is never sent: the answer is 500, and neither it nor the log has the value', async () => {
  const log = captureLog();
  try {
    const { status, body } = await call('GET', '/platform/spread');
    expect(status).toBe(500);
    expect(body).toMatchObject({ error: { status: 'INTERNAL', message: 'An internal error occurred.' } });
    expect(JSON.stringify(body)).not.toMatch(/hash|hunter2/);
    expect(log.text()).toContain('An answer has the field hash, which was not declared.');
    expect(log.text()).not.toContain(SECRET);
  } finally {
    log.stop();
  }
});

it('a file is sent only where it was declared, with its declared type', async () => {
  const { statusCode, headers, payload } = await app.inject({ method: 'GET', url: '/platform/file' });
  expect([statusCode, headers['content-type'], payload]).toEqual([200, 'text/csv', 'a,b']);
  const log = captureLog();
  try {
    for (const path of ['other-file', 'undeclared-file']) {
      const { status, body } = await call('GET', `/platform/${path}`);
      expect([status, JSON.stringify(body).includes(SECRET)]).toEqual([500, false]);
    }
  } finally {
    log.stop();
  }
});

it('another dialect’s answers are sent unchanged', async () => {
  expect(await call('GET', '/openai/row')).toEqual({ status: 200, body: { created_at: 1, system_fingerprint: null } });
});

it("guards still see a handler's metadata, above and below", async () => {
  seen.length = 0;
  await call('POST', '/platform/row');
  expect(seen).toEqual(['a', 'b', 'row']);
});

it('OpenAPI has the answer, wherever the decorator is placed', () => {
  const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
  const told = (path: string) => paths[path]?.get?.responses['200'] ?? paths[path]?.post?.responses['200'];
  for (const path of ['/platform/row', '/platform/spread'])
    expect(told(path)).toMatchObject({
      content: { 'application/json': { schema: { required: ['name', 'count'], type: 'object' } } },
    });
  expect(told('/platform/file')).toMatchObject({
    content: {
      'application/json': { schema: { required: ['name', 'count'] } },
      'text/csv': { schema: { type: 'string' } },
    },
  });
  expect(paths['/platform/row']?.post?.requestBody).toMatchObject({
    content: { 'application/json': { schema: { properties: { addOf: { type: 'integer' } } } } },
  });
});
