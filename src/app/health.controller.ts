import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Public } from '../identity/index.js';
import { Database } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { Drain, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { Startup } from './startup.js';

const DATABASE_WITHIN_MS = 2000;

@ApiTags('Health')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('health')
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly drain: Drain,
    private readonly startup: Startup,
  ) {}

  @Get('live')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'The process runs.' })
  @ApiOkResponse({ schema: { type: 'object', required: ['status'], properties: { status: { type: 'string' } } } })
  @Public('Probes carry no credential; tells nothing but that the process runs.')
  live(): object {
    return { status: 'ok' };
  }

  @Get('ready')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'The service takes requests: the database answers, and it is not stopping.' })
  @ApiOkResponse({ schema: { type: 'object', required: ['status'], properties: { status: { type: 'string' } } } })
  @Public('Probes carry no credential; tells nothing but readiness.')
  @Refuses('unavailable')
  async ready(): Promise<object> {
    if (this.drain.isDraining) throw new Fault('unavailable', 'The service is stopping.');
    if (!this.startup.isDone) throw new Fault('unavailable', 'The service is starting.', { retryAfterSeconds: 1 });
    if (this.database.isOutOfRoom) throw new Fault('unavailable', "The database's disk is full.");
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Fault('unavailable', 'The database does not answer.')), DATABASE_WITHIN_MS);
    });
    try {
      await Promise.race([this.database.ping(), tooLate]);
    } finally {
      clearTimeout(timer);
    }
    return { status: 'ok' };
  }
}
