/** A running service, and for each kind a tenant with a provider of its own: the stand-in, a key, and the ledger's rows. */
import { create } from '../http/providers/providers.js';
import { eventually } from './eventually.js';
import { KINDS, type Kind } from './kinds.js';
import type { Org, ServiceClient } from './service-client.js';
import { WireUpstream } from './wire-upstream.js';

/** A model of a provider whose server is gone. */
export const GONE = 'gone';

export interface Charge {
  readonly outcome: string;
  readonly status_code: number | null;
  readonly requests: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly estimated: boolean;
}

/** One kind, as its tenant has it. */
export class KindPlace {
  constructor(
    readonly kind: Kind,
    readonly service: ServiceClient,
    readonly upstream: WireUpstream,
    readonly org: Org,
    readonly key: string,
  ) {}

  /** The charge of a call, once it is settled. */
  async chargeOf(requestId: string): Promise<Charge> {
    let rows: Charge[] = [];
    await eventually(async () => {
      rows = await this.service.sql<Charge & Record<string, unknown>>(
        `SELECT outcome, status_code, requests, input_tokens::int, output_tokens::int, estimated FROM usage_records
         WHERE tenant_id = $1 AND request_id = $2 AND state = 'SETTLED'`,
        [this.org.tenantId, requestId],
      );
      return rows.length > 0;
    }, 20_000);
    expect(rows).toHaveLength(1);
    return rows[0]!;
  }
}

export class KindWorld {
  private constructor(
    readonly places: readonly KindPlace[],
    readonly service: ServiceClient,
  ) {}

  static async start(service: ServiceClient, kinds = KINDS): Promise<KindWorld> {
    return new KindWorld(await Promise.all(kinds.map((kind) => placeOf(service, kind))), service);
  }

  at(kind: Kind): KindPlace {
    const place = this.places.find((one) => one.kind === kind);
    if (place === undefined) throw new Error(`No tenant has a provider of the kind ${kind.kind}.`);
    return place;
  }

  async stop(): Promise<void> {
    await Promise.all(this.places.map(({ upstream }) => upstream.close()));
  }
}

async function placeOf(service: ServiceClient, kind: Kind): Promise<KindPlace> {
  const { path, credentials, settings, model } = kind;
  const upstream = await WireUpstream.start(kind.says());
  const org = await service.seedOrg();
  const { key } = await service.createKey(org, { requestsPerMinute: 1_000_000 });
  const wishes = { kind: kind.kind, credentials, settings };
  await create(service, org, { ...wishes, name: 'mine', baseUrl: upstream.origin + path, models: [model] });
  await create(service, org, { ...wishes, name: 'gone', baseUrl: `http://127.0.0.1:9${path}`, models: [GONE] });
  return new KindPlace(kind, service, upstream, org, key);
}
