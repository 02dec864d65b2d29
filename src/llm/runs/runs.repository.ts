import { Injectable } from '@nestjs/common';
import { Database, fittingRows, type Fitting, type TenantTransaction } from '../../platform/database/index.js';
import type { StoredOwner } from '../access/stored-owner.js';
import type { MessageRole, RunStatus } from './run.types.js';

export interface RunRow {
  readonly id: string;
  readonly threadId: string;
  readonly status: RunStatus;
  readonly step: number;
  readonly errorCode: string | null;
  readonly failure: Uint8Array | null;
}

export interface MessageRow {
  readonly id: string;
  readonly runId: string;
  readonly runNo: number;
  readonly n: number;
  readonly role: MessageRole;
  readonly body: Uint8Array;
  readonly createdAt: Date;
}

interface DeltaRow {
  readonly step: number;
  readonly startAt: number;
  readonly body: Uint8Array;
}

/** All that is stored of a run: what it is, its messages in their order, and the pieces of an answer that is not whole yet. */
interface StoredRun {
  readonly run: RunRow;
  readonly messages: readonly MessageRow[];
  readonly deltas: readonly DeltaRow[];
}

const MOST_INTEGER = 2_147_483_647;
const RUN = 'r.id, r.thread_id AS "threadId", r.status, r.step, r.error_code AS "errorCode", r.failure';
const MESSAGE = `m.run_id || '.' || m.n AS id, m.run_id AS "runId", m.run_no AS "runNo", m.n, m.role, m.body, m.created_at AS "createdAt"`;
const NEWEST_MESSAGES = fittingRows(
  `SELECT ${MESSAGE} FROM thread_messages m
   WHERE m.tenant_id = $1 AND m.thread_id = $2::uuid AND (m.run_no, m.n) < ($3::integer, $4::integer)
   ORDER BY m.run_no DESC, m.n DESC LIMIT $5::integer`,
  'body',
  'r."runNo" DESC, r.n DESC',
);

/** Runs of one tenant, as they are read. Each method names the tenant, and Postgres' policies hold where one forgets. */
@Injectable()
export class RunsRepository {
  constructor(private readonly database: Database) {}

  /** A run in a thread of this owner's; null: no such run. */
  find(tenantId: string, owner: StoredOwner, runId: string): Promise<RunRow | null> {
    return this.database.withTenant(tenantId, async (tx) => {
      const [run] = await tx.$queryRawUnsafe<RunRow[]>(
        `SELECT ${RUN} FROM runs r
         WHERE r.id = $2::uuid AND r.tenant_id = $1
           AND (SELECT t.owner FROM threads t WHERE t.id = r.thread_id AND t.tenant_id = $1) = thread_owner($3, $4)`,
        tenantId,
        runId,
        owner.owner,
        owner.human,
      );
      return run ?? null;
    });
  }

  /** The thread's live run; null: it is idle. */
  async findActive(tx: TenantTransaction, tenantId: string, threadId: string): Promise<RunRow | null> {
    const [run] = await tx.$queryRawUnsafe<RunRow[]>(
      `SELECT ${RUN} FROM runs r
       WHERE r.tenant_id = $1 AND r.thread_id::text = $2 AND r.status IN ('RUNNING', 'ACTION')`,
      tenantId,
      threadId,
    );
    return run ?? null;
  }

  /** The newest messages of a thread that stand before `before`, newest first, as many as fit into a page; null: of all. */
  listMessages(
    tx: TenantTransaction,
    tenantId: string,
    threadId: string,
    before: Pick<MessageRow, 'runNo' | 'n'> | null,
    most: number,
  ): Promise<readonly (MessageRow & Fitting)[]> {
    return tx.$queryRawUnsafe<(MessageRow & Fitting)[]>(
      NEWEST_MESSAGES,
      tenantId,
      threadId,
      before?.runNo ?? MOST_INTEGER,
      before?.n ?? 0,
      most,
    );
  }

  listRunMessages(tx: TenantTransaction, tenantId: string, runId: string): Promise<MessageRow[]> {
    return tx.$queryRawUnsafe<MessageRow[]>(
      `SELECT ${MESSAGE} FROM thread_messages m WHERE m.tenant_id = $1 AND m.run_id = $2::uuid ORDER BY m.n`,
      tenantId,
      runId,
    );
  }

  /** Null: it is not there any more. */
  load(tenantId: string, runId: string): Promise<StoredRun | null> {
    return this.database.withTenant(tenantId, async (tx) => {
      // First the run's state, then pieces, then whole answers: a change between these reads is news to the client.
      const [run] = await tx.$queryRawUnsafe<RunRow[]>(
        `SELECT ${RUN} FROM runs r WHERE r.tenant_id = $1 AND r.id = $2::uuid`,
        tenantId,
        runId,
      );
      if (run === undefined) return null;
      const deltas = await tx.$queryRawUnsafe<DeltaRow[]>(
        `SELECT d.step, d.start_at AS "startAt", d.body FROM run_deltas d
         WHERE d.tenant_id = $1 AND d.run_id = $2::uuid ORDER BY d.step, d.start_at`,
        tenantId,
        runId,
      );
      return { run, deltas, messages: await this.listRunMessages(tx, tenantId, runId) };
    });
  }

  /** The model's newest answer in a run; null: no answer yet. */
  async findLastAnswer(tenantId: string, runId: string): Promise<MessageRow | null> {
    return this.database.withTenant(
      tenantId,
      async (tx) =>
        (await this.listRunMessages(tx, tenantId, runId)).findLast(({ role }) => role === 'assistant') ?? null,
    );
  }

  cancel(
    tenantId: string,
    leaseId: string,
    runId: string,
  ): Promise<{ readonly status: RunStatus; readonly nextId: string | null } | null> {
    return this.database.withTenant(tenantId, async (tx) => {
      const [cancelled] = await tx.$queryRawUnsafe<{ status: RunStatus; nextId: string | null }[]>(
        'SELECT status, next_id AS "nextId" FROM cancel_run($1::uuid, $2::uuid)',
        leaseId,
        runId,
      );
      return cancelled ?? null;
    });
  }

  /** False: the run does not wait for the outputs of tools. */
  continue(
    tenantId: string,
    leaseId: string,
    runId: string,
    firstN: number,
    outputs: readonly { readonly body: Buffer; readonly tokens: number }[],
  ): Promise<boolean> {
    return this.database.changeTenant(tenantId, async (tx) => {
      const [row] = await tx.$queryRawUnsafe<{ continued: boolean }[]>(
        'SELECT continue_run($1::uuid, $2::uuid, $3::integer, $4::bytea[], $5::integer[]) AS continued',
        leaseId,
        runId,
        firstN,
        outputs.map(({ body }) => new Uint8Array(body)),
        outputs.map(({ tokens }) => tokens),
      );
      return row?.continued === true;
    });
  }
}
