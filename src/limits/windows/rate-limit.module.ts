import { Global, Inject, Module, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { FailedAuthentications } from '../../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../../platform/config/index.js';
import { Database } from '../../platform/database/index.js';
import { Metrics } from '../../platform/metrics/index.js';
import { Jobs } from '../../platform/jobs/index.js';
import { FailedAuthenticationLimiter } from './failed-authentication.limiter.js';
import { MemoryRateWindowStore } from './memory-rate-window.store.js';
import { PostgresRateWindowStore } from './postgres-rate-window.store.js';
import { rateLimitOptions } from './rate-limit.guard.js';
import { RateWindowStorage } from './rate-window.storage.js';
import { RateWindowStore } from './rate-window.store.js';
import { RedisRateWindowStore } from './redis-rate-window.store.js';

const POSTGRES_STORE = Symbol('PostgresRateWindowStore');
const PRUNE_EVERY_MS = 60_000;

/**
 * The store of the windows: Redis with REDIS_URL; this process's memory with the embedded database, which serves
 * one process; else Postgres.
 */
@Global()
@Module({
  imports: [
    ThrottlerModule.forRootAsync({ inject: [RateWindowStorage, SETTINGS_TOKEN], useFactory: rateLimitOptions }),
  ],
  providers: [
    {
      provide: POSTGRES_STORE,
      inject: [Database, SETTINGS_TOKEN],
      useFactory: (database: Database, settings: Settings) =>
        new PostgresRateWindowStore(database, settings.rateWindowSeconds),
    },
    {
      provide: RateWindowStore,
      inject: [POSTGRES_STORE, SETTINGS_TOKEN],
      useFactory: (postgres: PostgresRateWindowStore, settings: Settings): RateWindowStore => {
        const windowMs = settings.rateWindowSeconds * 1000;
        if (settings.redisUrl !== undefined) return new RedisRateWindowStore(settings.redisUrl, windowMs, postgres);
        return settings.embeddedDatabase ? new MemoryRateWindowStore(windowMs) : postgres;
      },
    },
    RateWindowStorage,
    { provide: FailedAuthentications, useClass: FailedAuthenticationLimiter },
  ],
  exports: [RateWindowStore, RateWindowStorage, FailedAuthentications],
})
export class RateLimitModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    private readonly store: RateWindowStore,
    @Inject(POSTGRES_STORE) postgres: PostgresRateWindowStore,
    jobs: Jobs,
    metrics: Metrics,
  ) {
    // Registered without Redis too, so that the metric's name is known; it has no number then.
    metrics.readEach('gatehouse_redis_up', () =>
      store instanceof RedisRateWindowStore ? [[{}, store.isCounting ? 1 : 0]] : [],
    );
    if (store instanceof MemoryRateWindowStore) return;
    jobs.repeat({
      failure: 'Closed request windows could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      run: () => postgres.prune(),
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    if (this.store instanceof RedisRateWindowStore) await this.store.open();
  }

  onApplicationShutdown(): void {
    if (this.store instanceof RedisRateWindowStore) this.store.close();
  }
}
