import { Injectable } from '@nestjs/common';
import type { CallRecord, TenantLedger } from './call-log.js';

/** The current names of the ids in calls; a deleted thing has no name. */
export interface NamesOfCalls {
  readonly keys: ReadonlyMap<string, string>;
  readonly humans: ReadonlyMap<string, string>;
  readonly gateways: ReadonlyMap<string, string>;
}

type Kind = keyof NamesOfCalls;

const NAMES = `
  SELECT 'keys' AS kind, id, name FROM api_keys WHERE tenant_id = $1 AND id = ANY ($2::text[])
  UNION ALL SELECT 'humans', id, human FROM humans WHERE tenant_id = $1 AND id = ANY ($3::text[])
  UNION ALL SELECT 'gateways', id, name FROM gateways WHERE tenant_id = $1 AND id = ANY ($4::text[])`;

/** Looks up the names for a page of calls in one statement. */
@Injectable()
export class CallNames {
  async of({ tx, tenantId }: TenantLedger, calls: readonly CallRecord[]): Promise<NamesOfCalls> {
    const idsOf = (pick: (call: CallRecord) => string | null): string[] => [
      ...new Set(calls.map(pick).filter((id) => id !== null)),
    ];
    const rows = await tx.$queryRawUnsafe<{ kind: Kind; id: string; name: string }[]>(
      NAMES,
      tenantId,
      idsOf(({ keyId }) => keyId),
      idsOf(({ humanId }) => humanId),
      idsOf(({ gatewayId }) => gatewayId),
    );
    const named = (kind: Kind): ReadonlyMap<string, string> =>
      new Map(rows.filter((row) => row.kind === kind).map(({ id, name }) => [id, name]));
    return { keys: named('keys'), humans: named('humans'), gateways: named('gateways') };
  }

  /** Null: no human has this name. */
  async humanIdOf({ tx, tenantId }: TenantLedger, human: string): Promise<string | null> {
    const found = await tx.human.findFirst({ where: { tenantId, human }, select: { id: true } });
    return found?.id ?? null;
  }
}
