import { captureLog, type CapturedLog } from '../../../test/support/captured-log.js';
import { Fault } from '../errors/index.js';
import { runWithRequestContext } from '../context/index.js';
import { logger } from './logger.js';
import { NestLogger } from './nest-logger.js';

const SECRET = 'sk_gh_0123456789';

let log: CapturedLog;

beforeEach(() => {
  log = captureLog();
});

afterEach(() => log.stop());

/** An error like those of HTTP clients and database drivers, with the whole request attached. */
function driverError(): Error {
  return Object.assign(new Error('request failed'), {
    code: 'ECONNRESET',
    config: {
      headers: { authorization: `Bearer ${SECRET}`, 'x-api-key': SECRET },
      data: { messages: [{ content: SECRET }] },
    },
    request: { body: SECRET },
    response: { data: SECRET },
    detail: `Failing row contains (${SECRET}).`,
    parameters: [SECRET],
    prompt: SECRET,
  });
}

describe('an error in the log', () => {
  it('has its name, message, code and stack', () => {
    logger.error({ err: driverError() }, 'It failed.');
    expect(log.lines).toEqual([
      {
        level: 50,
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
        msg: 'It failed.',
        err: {
          type: 'Error',
          message: 'request failed',
          code: 'ECONNRESET',
          stack: expect.stringContaining('driverError') as string,
        },
      },
    ]);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an object', { a: 1 }],
  ])('has no code where its code is %s', (_what, code) => {
    logger.error({ err: Object.assign(new Error('x'), { code }) }, 'x');
    logger.error({ err: new Error('x', { cause: new Fault('unavailable', 'x') }) }, 'x');
    expect(log.lines).toHaveLength(2);
    expect(log.text()).not.toContain('"code"');
  });

  it.each<[string, () => void]>([
    ['under err', () => logger.error({ err: driverError() }, 'x')],
    ['alone', () => logger.error(driverError())],
    ['as the cause of another', () => logger.error({ err: new Error('outer', { cause: driverError() }) }, 'x')],
    [
      'as the cause of a cause',
      () => logger.error({ err: new Error('a', { cause: new Error('b', { cause: driverError() }) }) }, 'x'),
    ],
    ['under error', () => logger.error({ error: driverError() }, 'x')],
    ['without an error', () => logger.error({ err: { headers: { authorization: SECRET } } }, 'x')],
    ['as a text', () => logger.error({ err: SECRET }, 'x')],
    ['with a text as its cause', () => logger.error({ err: new Error('a', { cause: SECRET }) }, 'x')],
    ["from Nest's own lines", () => new NestLogger().error(driverError())],
    ["from Nest's own lines beside a message", () => new NestLogger().error('It failed', driverError(), 'Context')],
  ])('never shows its attached data: %s', (_case, write) => {
    write();
    expect(log.lines).toHaveLength(1);
    expect(log.text()).not.toContain(SECRET);
  });

  it('shows at most three causes, and a circle of them does no harm', () => {
    const error = new Error('round');
    error.cause = error;
    logger.error({ err: error }, 'x');
    expect(log.lines).toHaveLength(1);
  });
});

describe('a secret that a caller put into a line by mistake', () => {
  it.each([
    'authorization',
    'headers',
    'body',
    'apiKey',
    'key',
    'secret',
    'token',
    'password',
    'messages',
    'prompt',
    'x-api-key',
  ])('is left out under the name %s, at the top and one level down', (name) => {
    logger.info({ [name]: SECRET }, 'x');
    logger.info({ request: { [name]: SECRET } }, 'x');
    logger.info({ [name]: { deep: [SECRET] } }, 'x');
    expect(log.lines).toHaveLength(3);
    expect(log.text()).not.toContain(SECRET);
  });
});

describe('every line of a request', () => {
  it('has its id, tenant and subject, across all asynchronous work', async () => {
    await new Promise<void>((resolve) => {
      runWithRequestContext(
        { requestId: 'req_1', address: '192.0.2.1', tenantId: 'acme', subject: 'key:key_1' },
        () => {
          setImmediate(() => {
            logger.info('inside');
            resolve();
          });
        },
      );
    });
    logger.info('outside');
    expect(log.lines[0]).toMatchObject({ msg: 'inside', requestId: 'req_1', tenantId: 'acme', subject: 'key:key_1' });
    expect(log.lines[1]).not.toHaveProperty('requestId');
  });
});
