import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { PepperRing } from '../crypto/index.js';
import { Database, type TenantTransaction } from '../database/index.js';
import { Fault } from '../errors/index.js';
import { Jobs } from '../jobs/index.js';

const PRUNE = { name: 'prune_idempotency_keys', text: 'SELECT prune_idempotency_keys()' };
const PRUNE_EVERY_MS = 10 * 60_000;
const REPLAY_HEADER = 'x-gatehouse-idempotent-replay';
const NOTICE = 'This repeats an earlier answer to the same Idempotency-Key; secrets are shown only once.';

/** A request that carries an Idempotency-Key. */
export interface IdempotentRequest {
  /** Whose key it is: the same text of another principal is another key. */
  readonly owner: string;
  readonly key: string;
  readonly requestHash: Buffer;
}

/** The answer to a request, and the copy without secrets that is kept for a repeat. */
export interface IdempotentWork {
  readonly body: object;
  readonly kept: object;
  /** Set if the work created the tenant that the answer belongs to. */
  readonly tenantId?: string;
}

export interface IdempotentAnswer {
  readonly body: object;
  readonly replayed: boolean;
}

interface Claim {
  readonly claimed: boolean;
  readonly same_request: boolean;
  readonly response: object | null;
}

/**
 * Makes a creating request take effect once, however often it is sent. The key is claimed in the transaction that does the
 * work, so that a crash leaves both or neither; a repeat waits for that transaction, and a failed request leaves nothing.
 * Answers are kept for a day, without their secrets. Services call it, since they own the transaction.
 */
@Injectable()
export class IdempotencyKeys {
  constructor(
    database: Database,
    private readonly peppers: PepperRing,
    jobs: Jobs,
  ) {
    jobs.repeat({
      failure: 'Old idempotency keys could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      run: () => database.callAside(PRUNE, []),
    });
  }

  /**
   * Keeps a hash of the request under a pepper: a message may name a human, and a reader of the table could guess a plain hash.
   * The oldest pepper, so that a newly added pepper does not make a repeat look like another request.
   *
   * @param owner tenant and principal
   * @param key the header's value; null: none was sent
   * @param message the request after parsing, so that spelling and spaces do not matter
   */
  request(owner: string, key: string | null, route: string, message: unknown): IdempotentRequest | null {
    if (key === null) return null;
    const oldest = this.peppers.candidates(`idempotency\0${route}\0${JSON.stringify(message)}`).at(-1);
    if (oldest === undefined) throw new TypeError('There is no pepper.');
    return { owner, key, requestHash: oldest.hash };
  }

  /**
   * Does the work, or gives the kept answer of the first request.
   *
   * @param tenantId the answer's tenant; null: known only after the work
   * @throws Fault conflict: the key was used for another request; whatever the work throws
   */
  async once(
    transaction: TenantTransaction,
    request: IdempotentRequest | null,
    tenantId: string | null,
    work: () => Promise<IdempotentWork>,
  ): Promise<IdempotentAnswer> {
    if (request === null) return { body: (await work()).body, replayed: false };
    const { owner, key, requestHash } = request;
    const [claim] = await transaction.$queryRawUnsafe<Claim[]>(
      'SELECT * FROM claim_idempotency_key($1, $2, $3, $4)',
      owner,
      key,
      tenantId,
      new Uint8Array(requestHash),
    );
    if (claim === undefined || !claim.same_request) throw usedOtherwise();
    if (!claim.claimed) return repeated(claim.response ?? {});
    const done = await work();
    await transaction.$executeRawUnsafe(
      'SELECT finish_idempotency_key($1, $2, $3, $4::jsonb)',
      owner,
      key,
      done.tenantId ?? null,
      JSON.stringify(done.kept),
    );
    return { body: done.body, replayed: false };
  }
}

/** The answer to a repeat, from the kept copy: for work that claims its key in a statement of its own. */
export function repeated(kept: object): IdempotentAnswer {
  return { body: { ...kept, notice: NOTICE }, replayed: true };
}

/** The body to send. A header also marks a repeat. */
export function sendIdempotent(reply: FastifyReply, { body, replayed }: IdempotentAnswer): object {
  if (replayed) reply.header(REPLAY_HEADER, 'true');
  return body;
}

export function usedOtherwise(): Fault {
  return new Fault('conflict', 'idempotency-key: was used for another request; send a new one.', {
    fields: [{ field: 'idempotency-key', reason: 'was used for another request; send a new one' }],
  });
}
