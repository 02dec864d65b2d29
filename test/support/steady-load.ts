/** Calls at a steady rate, every other one a stream, while the servers behind the address change. */
import { randomUUID } from 'node:crypto';
import { ledgerOf, type LedgerRow } from '../http/ledger.js';
import { markerOf } from './chaos-call.js';
import { eventually, pause } from './eventually.js';
import { UPSTREAM_MODEL, type OpenaiUpstream } from './openai-upstream.js';
import { ServiceClient } from './service-client.js';

export interface Account {
  readonly failed: readonly string[];
  readonly lost: readonly string[];
  readonly doubled: readonly string[];
  /** States and outcomes in the ledger. */
  readonly charged: readonly string[];
}

export class SteadyLoad {
  /** Request ids; each is also in its request's body, which goes upstream. */
  readonly sent: string[] = [];
  /** The error of each call that failed. */
  readonly failed: string[] = [];
  private readonly failedIds = new Set<string>();
  private readonly open = new Set<Promise<void>>();
  private readonly running: Promise<void>;
  private over = false;

  private constructor(
    private readonly client: ServiceClient,
    private readonly key: string,
    private readonly perSecond: number,
  ) {
    this.running = this.run();
  }

  /** @param service the service that charges the calls; `baseUrl` leads to it */
  static start(baseUrl: string, service: ServiceClient, key: string, perSecond: number): SteadyLoad {
    const { database, issuer, upstream } = service;
    return new SteadyLoad(new ServiceClient(baseUrl, database, issuer, upstream), key, perSecond);
  }

  /** Waits until this many were sent, stops, and waits for the open ones. */
  async stopAfter(count: number): Promise<void> {
    while (this.sent.length < count) await pause(50);
    this.over = true;
    await this.running;
    await Promise.all(this.open);
  }

  private async run(): Promise<void> {
    const startedMs = performance.now();
    while (!this.over) {
      const due = ((performance.now() - startedMs) / 1000) * this.perSecond;
      while (this.sent.length < due) {
        const call = this.call(`load-${randomUUID()}`, this.sent.length % 2 === 1).finally(() =>
          this.open.delete(call),
        );
        this.open.add(call);
      }
      await pause(5);
    }
  }

  private async call(id: string, stream: boolean): Promise<void> {
    this.sent.push(id);
    try {
      const { status, text } = await this.client.call('POST', '/v1/chat/completions', {
        headers: { 'x-api-key': this.key, 'x-request-id': id },
        body: { model: UPSTREAM_MODEL, stream, user: id, messages: [{ role: 'user', content: 'Hi' }] },
      });
      const whole = stream ? text.endsWith('data: [DONE]\n\n') : text.includes('"finish_reason":"stop"');
      if (status !== 200 || !whole) this.fail(id, `${status} ${text.slice(0, 200)}`);
    } catch (error) {
      this.fail(id, String(error));
    }
  }

  private fail(id: string, error: string): void {
    this.failed.push(error);
    this.failedIds.add(id);
  }

  /** Those that were answered went upstream once and are charged once; those that failed got a 503, and did neither. */
  async expectExact(upstream: OpenaiUpstream): Promise<void> {
    for (const failure of this.failed) expect(failure).toMatch(/^503 /);
    const { charged } = await this.account(upstream);
    for (const each of charged) expect(['SETTLED OK', 'SETTLED NOT_SENT']).toContain(each);
    const answered = this.sent.filter((id) => !this.failedIds.has(id)).toSorted();
    const paid = (await ledgerOf(this.client)).filter(
      ({ outcome, input_tokens: tokens }) => outcome === 'OK' || tokens > 0,
    );
    expect(paid.map(({ request_id: id }) => id).toSorted()).toEqual(answered);
    expect(upstream.requests.map(markerOf).toSorted()).toEqual(answered);
  }

  /** The result once no call is open. Lost: not in the ledger or not upstream. Doubled: twice in one of them. */
  async account(upstream: OpenaiUpstream): Promise<Account> {
    // Some failed calls may not have reached the ledger.
    let entries: readonly LedgerRow[] = [];
    await eventually(async () => {
      entries = await ledgerOf(this.client);
      return entries.every(({ state }) => state !== 'RESERVED');
    }, 60_000);
    const places = [entries.map((row) => row.request_id), upstream.requests.map(markerOf)];
    return {
      failed: this.failed,
      lost: places.map((ids) => new Set(ids)).flatMap((ids) => this.sent.filter((id) => !ids.has(id))),
      doubled: places.flatMap((ids) => ids.filter((id, at) => ids.indexOf(id) !== at)),
      charged: [...new Set(entries.map(({ state, outcome }) => `${state} ${outcome ?? ''}`))],
    };
  }
}
