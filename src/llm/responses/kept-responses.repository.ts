import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/index.js';
import type { StoredOwner } from '../access/stored-owner.js';
import type { PreviousResponse } from '../providers/requests/responses-request.js';

const KEEP = { name: 'keep_response', text: 'SELECT keep_response($1, $2, $3, $4, $5, $6, $7)' };
const FIND = { name: 'find_response', text: 'SELECT * FROM find_response($1, $2, $3, $4)' };
const FORGET = { name: 'forget_response', text: 'SELECT forget_response($1, $2)' };
const PRUNE = { name: 'prune_responses', text: 'SELECT prune_responses($1) AS pruned' };

interface Row {
  readonly provider_id: string | null;
  readonly model: string;
  readonly tokens: number | null;
}

/** Whose the responses are that providers keep. Of their ids hashes alone are stored. */
@Injectable()
export class KeptResponsesRepository {
  constructor(private readonly database: Database) {}

  async keep(
    tenantId: string,
    { owner, human }: StoredOwner,
    id: string,
    { providerId, model, tokens }: PreviousResponse,
  ): Promise<void> {
    await this.database.call(KEEP, [tenantId, hashOf(id), owner, human, providerId, model, tokens]);
  }

  /** Null: unknown, or another owner's. */
  async find(tenantId: string, { owner, human }: StoredOwner, id: string): Promise<PreviousResponse | null> {
    const [row] = await this.database.call<Row & Record<string, unknown>>(FIND, [tenantId, hashOf(id), owner, human]);
    return row === undefined ? null : { providerId: row.provider_id, model: row.model, tokens: row.tokens };
  }

  async forget(tenantId: string, id: string): Promise<void> {
    await this.database.call(FORGET, [tenantId, hashOf(id)]);
  }

  /** @returns how many were forgotten */
  async prune(most: number): Promise<number> {
    const [row] = await this.database.callAside<{ pruned: number }>(PRUNE, [most]);
    return row?.pruned ?? 0;
  }
}

function hashOf(id: string): Buffer {
  return createHash('sha256').update(id).digest();
}
