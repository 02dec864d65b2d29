/** A service, a provider that answers as a test scripts it, and the clients that call either. */
import { randomUUID } from 'node:crypto';
import { eventually } from '../../support/eventually.js';
import { HUMAN_LIMITS } from '../../support/human-limits.js';
import { UPSTREAM_MODEL, type UpstreamAnswer, type UpstreamRequest } from '../../support/openai-upstream.js';
import { PROVIDER_SECRET, startService, type TestService } from '../../support/service.js';
import { ClientProcess, type Client, type Said } from './clients.js';
import type { Form, Row } from './row.js';

/** Each human's limit at first, which no row uses up. */
const TOKENS = 50_000_000;
const CALLS = 1_000;
const PROMPT = /Say hello to ([\w-]+)\./;

/** straight: to the provider itself; through: to the service. */
export type Way = 'straight' | 'through';

export interface Question extends Pick<Row, 'asks' | 'unlimited'> {
  readonly client: Client;
  readonly form: Form;
  readonly way: Way;
  /** The human whom the call is charged to. */
  readonly human: string;
  /** The provider's answers, one for each time it is asked. */
  readonly answers: readonly UpstreamAnswer[];
  readonly retries?: number;
  /** The caller hangs up once the provider was asked. */
  readonly hangsUp?: boolean;
}

/** The result of a question. */
export interface Outcome {
  readonly said: Said;
  /** The bodies that reached the provider, without the mark of this question. */
  readonly bodies: readonly string[];
}

export interface Charge {
  readonly human: string;
  readonly tokens: number;
  readonly output: number;
  readonly requests: number;
  readonly estimated: boolean;
  readonly costMicros: number;
  /** The human's limits fell by what the ledger says, and no call holds any of them. */
  readonly exact: boolean;
}

interface Script {
  readonly answers: UpstreamAnswer[];
  readonly bodies: string[];
  readonly onAsked: () => void;
}

export class ClientWorld {
  private readonly scripts = new Map<string, Script>();

  private constructor(
    private readonly service: TestService,
    private readonly clients: ClientProcess,
    /** The key of a tenant whose humans have limits, and of one whose humans have none. */
    private readonly keys: { readonly limited: string; readonly unlimited: string },
  ) {
    service.upstream.otherwise = (request) => this.answer(request);
  }

  static async start(): Promise<ClientWorld> {
    const clients = ClientProcess.start();
    const service = await startService();
    const [limited, unlimited] = [await service.createOrg('founder'), await service.createOrg('collector')];
    await service.asUser({ user: limited.user, tenant: limited.tenantId }, 'tenants/update', {
      tenantId: limited.tenantId,
      defaultLimits: [
        { type: 'token_cnt', value: TOKENS },
        { type: 'request_cnt', value: CALLS },
      ],
    });
    const wishes = { requestsPerMinute: 100_000 };
    return new ClientWorld(service, clients, {
      limited: (await service.createKey(limited, wishes)).key,
      unlimited: (await service.createKey(unlimited, wishes)).key,
    });
  }

  async stop(): Promise<void> {
    await this.clients.stop();
    await this.service.stop();
  }

  async ask(question: Question): Promise<Outcome> {
    const { client, form, way, human, answers, asks, unlimited = false, retries = 0, hangsUp = false } = question;
    const mark = randomUUID();
    const bodies: string[] = [];
    const asked = new Promise<void>((resolve) => {
      this.scripts.set(mark, { answers: [...answers], bodies, onAsked: resolve });
    });
    const through = {
      baseUrl: `${this.service.baseUrl}/v1`,
      key: unlimited ? this.keys.unlimited : this.keys.limited,
      headers: { 'x-human-id': encodeURIComponent(human), 'x-human-id-encoding': 'percent' },
    };
    const straight = { baseUrl: this.service.upstream.baseUrl, key: PROVIDER_SECRET, headers: {} };
    const call = { model: UPSTREAM_MODEL, ...asks, client, stream: form === 'stream', retries };
    const said = await this.clients.ask(
      { ...call, prompt: `Say hello to ${mark}.`, ...(way === 'through' ? through : straight) },
      hangsUp ? asked : undefined,
    );
    return { said, bodies: bodies.map((body) => body.replaceAll(mark, '')) };
  }

  /** The charges of the humans whose names begin so, once there are that many and none of their calls is open. */
  async charges(begin: string, count: number): Promise<readonly Charge[]> {
    let charges: (Charge & { readonly open: boolean })[] = [];
    await eventually(async () => {
      charges = await this.service.sql(
        `SELECT h.human, sum(r.input_tokens + r.output_tokens)::float8 AS tokens, sum(r.output_tokens)::float8 AS output,
                sum(r.requests)::float8 AS requests, bool_or(r.estimated) AS estimated,
                (sum(r.cost_pico_usd) / 1e6)::float8 AS "costMicros", bool_or(r.state = 'RESERVED') AS open,
                coalesce($2 - h.token_cnt / 1e6 = sum(r.input_tokens + r.output_tokens), true)
                  AND coalesce($3 - h.request_cnt / 1e6 = sum(r.requests), true)
                  AND h.token_cnt_reserved + h.request_cnt_reserved = 0 AS exact
         FROM ${HUMAN_LIMITS} AS h JOIN usage_records r ON r.human_id = h.id WHERE starts_with(h.human, $1)
         GROUP BY h.human, h.token_cnt, h.request_cnt, h.token_cnt_reserved, h.request_cnt_reserved`,
        [begin, TOKENS, CALLS],
      );
      return charges.length === count && charges.every(({ open }) => !open);
    });
    return charges;
  }

  private answer({ body }: UpstreamRequest): UpstreamAnswer {
    const text = body.toString();
    const script = this.scripts.get(PROMPT.exec(text)?.[1] ?? '');
    script?.bodies.push(text);
    script?.onAsked();
    const answer = script?.answers.shift();
    if (answer === undefined) throw new Error('The provider was asked more often than the test says.');
    return answer;
  }
}
