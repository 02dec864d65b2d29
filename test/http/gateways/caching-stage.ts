/** A gateway that caches, on two replicas: each test has an org, an upstream and a gateway of its own. */
import { eventually } from '../../support/eventually.js';
import { OpenaiUpstream } from '../../support/openai-upstream.js';
import { startReplicas, stopReplicas } from '../../support/replicas.js';
import type { Answer, Org, TestService } from '../../support/service.js';
import { SETTINGS, chat, create, type Made } from './gateways.js';

export const cacheOf = ({ headers }: Answer): unknown => headers['x-gatehouse-cache'];

export class CachingStage {
  upstream!: OpenaiUpstream;
  org!: Org;
  made!: Made;
  private tests = 0;

  private constructor(
    readonly service: TestService,
    /** Another replica, with a short provider time-out. */
    readonly other: TestService,
  ) {}

  static async start(): Promise<CachingStage> {
    const impatient = { ...SETTINGS, firstByteTimeoutMs: 2_000, totalTimeoutMs: 4_000 };
    const [service, other] = await startReplicas(SETTINGS, impatient);
    return new CachingStage(service, other);
  }

  stop(): Promise<void> {
    return stopReplicas([this.service, this.other]);
  }

  async begin(): Promise<void> {
    this.upstream = await OpenaiUpstream.start();
    this.org = await this.service.createOrg(`keeper-${(this.tests += 1)}`, undefined, { provider: false });
    this.made = await create(this.service, this.org, this.upstream, { cache: { ttlSeconds: 3600 } });
  }

  end(): Promise<void> {
    return this.upstream.close();
  }

  async stored(): Promise<number> {
    const [row] = await this.service.sql<{ n: string }>(
      'SELECT count(*) AS n FROM gateway_cache_entries WHERE gateway_id = $1',
      [this.made.gateway.id],
    );
    return Number(row!.n);
  }

  holds(count: number): Promise<void> {
    return eventually(async () => expect(await this.stored()).toBe(count));
  }

  /** Asks until the answer is cached, which happens after it has gone out. */
  async warm(more: object = {}): Promise<Answer> {
    const before = await this.stored();
    const answer = await chat(this.service, this.made.gateway.id, this.made.token, more);
    expect([answer.status, cacheOf(answer)]).toEqual([200, 'MISS']);
    await this.holds(before + 1);
    return answer;
  }
}
