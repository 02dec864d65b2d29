import { Injectable } from '@nestjs/common';
import type { Prisma, TenantTransaction } from '../../platform/database/index.js';
import { olderThan, type Cursor } from '../../platform/http/index.js';

const CALL = {
  id: true,
  createdAt: true,
  outcome: true,
  statusCode: true,
  operation: true,
  provider: true,
  model: true,
  route: true,
  keyId: true,
  userId: true,
  humanId: true,
  streamed: true,
  attempt: true,
  gatewayId: true,
  gatewayTokenId: true,
  inputTokens: true,
  cachedInputTokens: true,
  outputTokens: true,
  reasoningTokens: true,
  costPicoUsd: true,
  estimated: true,
  latencyMs: true,
  firstByteMs: true,
  requestId: true,
} as const satisfies Prisma.UsageRecordSelect;
/** A call that is over, as the ledger has it. */
export type CallRecord = Prisma.UsageRecordGetPayload<{ select: typeof CALL }>;

export const CALL_STATUSES = ['Success', 'Error', 'Timeout'] as const;
export type CallStatus = (typeof CALL_STATUSES)[number];

export interface CallFilter {
  readonly gatewayId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly userId?: string | undefined;
  /** The stored id. */
  readonly humanId?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly gatewayTokenId?: string | undefined;
  readonly status?: CallStatus | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly requestId?: string | undefined;
  readonly startTime?: Date | undefined;
  /** Exclusive. */
  readonly endTime?: Date | undefined;
}

/** A transaction that sees one tenant's ledger. */
export interface TenantLedger {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
}

const OUTCOMES: Readonly<Record<CallStatus, object>> = {
  Success: { equals: 'OK' },
  Timeout: { equals: 'UPSTREAM_TIMEOUT' },
  Error: { notIn: ['OK', 'UPSTREAM_TIMEOUT'] },
};

/** Reads the ledger's calls one by one. The ledger has no prompts. */
@Injectable()
export class CallLog {
  /** Finished calls, newest first. */
  list({ tx, tenantId }: TenantLedger, filter: CallFilter, after: Cursor | null, take: number): Promise<CallRecord[]> {
    return tx.usageRecord.findMany({
      where: { tenantId, AND: [whereOf(filter), olderThan(after)] },
      orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
      take,
      select: CALL,
    });
  }

  /** Null: the call is unknown, or still open. */
  find({ tx, tenantId }: TenantLedger, filter: CallFilter, id: string): Promise<CallRecord | null> {
    return tx.usageRecord.findFirst({ where: { tenantId, id, AND: [whereOf(filter)] }, select: CALL });
  }
}

export function statusOf(outcome: string | null): CallStatus {
  if (outcome === 'OK') return 'Success';
  return outcome === 'UPSTREAM_TIMEOUT' ? 'Timeout' : 'Error';
}

function whereOf({ status, outcome, startTime, endTime, ...equal }: CallFilter): Prisma.UsageRecordWhereInput {
  return {
    ...{ kind: 'CALL', state: { not: 'RESERVED' } },
    ...Object.fromEntries(Object.entries(equal).filter(([, value]) => value !== undefined)),
    AND: [
      ...(status === undefined ? [] : [{ outcome: OUTCOMES[status] }]),
      ...(outcome === undefined ? [] : [{ outcome }]),
    ],
    createdAt: {
      ...(startTime === undefined ? {} : { gte: startTime }),
      ...(endTime === undefined ? {} : { lt: endTime }),
    },
  };
}
