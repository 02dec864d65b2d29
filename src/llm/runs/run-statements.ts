import { compositeText, type NamedStatement } from '../../platform/database/index.js';
import type { IdempotentRequest } from '../../platform/idempotency/index.js';
import type { RunStatus } from './run.types.js';

export const BEGIN: NamedStatement = {
  name: 'begin_runs',
  text: 'SELECT * FROM begin_runs($1, $2::text[]::run_start[], $3)',
};
export const LOAD: NamedStatement = { name: 'load_runs', text: 'SELECT * FROM load_runs($1, $2, $3, $4)' };
export const FINISH: NamedStatement = {
  name: 'finish_runs',
  text: 'SELECT * FROM finish_runs($1, $2::text[]::run_end[])',
};
export const WRITE_DELTAS: NamedStatement = {
  name: 'write_run_deltas',
  text: 'SELECT write_run_deltas($1, $2::text[]::run_delta[]) AS lost',
};
export const WATCH: NamedStatement = {
  name: 'watch_runs',
  text: 'SELECT * FROM watch_runs($1, $2::text[]::run_watch[])',
};
export const SWEEP: NamedStatement = {
  name: 'sweep_runs',
  text: 'SELECT * FROM sweep_runs($1, $2, make_interval(secs => $3), $4) AS id',
};

export type BeginVerdict = 'running' | 'waiting' | 'busy' | 'full' | 'gone' | 'again' | 'repeat' | 'other';

export interface BegunRow {
  readonly alive: boolean;
  readonly verdicts: readonly BeginVerdict[] | null;
  readonly run_ids: readonly (string | null)[] | null;
}

export interface FinishedRow {
  readonly ended: readonly boolean[];
  readonly next_ids: readonly (string | null)[];
}

/** What a process has to know of a run to start it. Messages are newest first. */
export interface LoadedRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly thread_id: string;
  readonly caller: unknown;
  readonly is_for_human: boolean;
  readonly human: string | null;
  readonly may: boolean;
  readonly request_id: string;
  readonly setup: Buffer | null;
  readonly step: number;
  readonly thread_setup: Buffer | null;
  readonly model: string | null;
  readonly temperature: number | null;
  readonly max_tokens: number | null;
  readonly total: number;
  readonly message_ids: readonly string[];
  readonly roles: readonly ('user' | 'assistant' | 'tool')[];
  readonly tokens: readonly number[];
  readonly bodies: readonly Buffer[];
}

export interface WatchedRow {
  readonly id: string;
  readonly cancel: boolean;
  readonly status: RunStatus | 'GONE';
  readonly step: number | null;
  readonly delta_step: number | null;
  readonly start_at: number | null;
  readonly body: Buffer | null;
}

/** A message that begins a run, encrypted. */
export interface SealedStart {
  readonly id: string;
  readonly threadId: string;
  readonly tenantId: string;
  readonly owner: string | null;
  readonly human: string | null;
  readonly keyId: string | null;
  readonly conversationKey: string;
  readonly caller: string;
  readonly requestId: string;
  readonly setup: Buffer | null;
  readonly body: Buffer;
  readonly tokens: number;
  /** Where the request carries an Idempotency-Key. */
  readonly idempotent: IdempotentRequest | null;
}

export interface SealedEnd {
  readonly id: string;
  readonly status: Exclude<RunStatus, 'WAITING' | 'RUNNING'>;
  readonly n: number;
  readonly body: Buffer | null;
  readonly tokens: number;
  /** Null: the model was not asked. */
  readonly leftOut: number | null;
  readonly errorCode: string | null;
  readonly failure: Buffer | null;
}

interface SealedDelta {
  readonly id: string;
  readonly step: number;
  readonly startAt: number;
  readonly body: Buffer;
}

/** The fields of the type `run_start`, in order. */
export function startText(start: SealedStart): string {
  return compositeText([
    start.id,
    start.threadId,
    start.tenantId,
    start.owner,
    start.human,
    start.keyId,
    start.conversationKey,
    start.caller,
    start.requestId,
    bytesText(start.setup),
    bytesText(start.body),
    start.tokens,
    start.idempotent?.owner ?? null,
    start.idempotent?.key ?? null,
    bytesText(start.idempotent?.requestHash ?? null),
  ]);
}

/** The fields of the type `run_end`, in order. */
export function endText(end: SealedEnd): string {
  return compositeText([
    end.id,
    end.status,
    end.n,
    bytesText(end.body),
    end.tokens,
    end.leftOut,
    end.errorCode,
    bytesText(end.failure),
  ]);
}

/** The fields of the type `run_delta`, in order. */
export function deltaText({ id, step, startAt, body }: SealedDelta): string {
  return compositeText([id, step, startAt, bytesText(body)]);
}

/** The fields of the type `run_watch`, in order. */
export function watchText(id: string, status: RunStatus, step: number, startAt: number): string {
  return compositeText([id, status, step, startAt]);
}

function bytesText(bytes: Buffer | null): string | null {
  return bytes === null ? null : `\\x${bytes.toString('hex')}`;
}
