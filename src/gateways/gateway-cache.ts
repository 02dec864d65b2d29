import { Injectable } from '@nestjs/common';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, RevocableCache, Revocations } from '../platform/database/index.js';
import { TenantCipher } from '../platform/encryption/index.js';
import { canonicalJson } from '../platform/json/index.js';
import { logger } from '../platform/logging/index.js';
import type { OperationName } from '../llm/index.js';
import type { KnownGateway } from './gateway.directory.js';
import { packed, unpacked, type KeptAnswer } from './kept-answer.js';

const FIND = { name: 'find_gateway_answer', text: 'SELECT * FROM find_gateway_answer($1, $2, $3)' };
const KEEP = { name: 'keep_gateway_answer', text: 'SELECT keep_gateway_answer($1, $2, $3, $4, $5)' };

/** A longer request is seldom asked twice, and to spell it would cost more than it saves. */
const MOST_REQUEST_CHARACTERS = 256 * 1024;
/** A longer answer is not kept. */
export const MOST_ANSWER_BYTES = 512 * 1024;
/** So many answers stay decrypted in this process. */
const MOST_IN_MEMORY = 64;

interface Row {
  readonly answer: Buffer;
  readonly created_at: Date;
  readonly expires_at: Date;
}

interface Known {
  readonly gatewayId: string;
  readonly answer: KeptAnswer;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

interface Asked {
  readonly gateway: KnownGateway;
  readonly key: Buffer;
}

/** An answer that is kept, and how old it is. */
export interface FoundAnswer {
  readonly answer: KeptAnswer;
  readonly ageSeconds: number;
}

/**
 * The answers that gateways keep: each for the very same request of the same gateway, whoever of its callers asks. At rest they
 * are encrypted for their tenant and place, and known by a keyed hash of the request. Those that are asked for often are kept
 * decrypted in this process, too, until the gateway changes: every replica hears of that within 1 s.
 */
@Injectable()
export class GatewayCache {
  private readonly inMemory: RevocableCache<Known, Asked>;

  constructor(
    private readonly database: Database,
    private readonly cipher: TenantCipher,
    private readonly peppers: PepperRing,
    private readonly revocations: Revocations,
  ) {
    this.inMemory = new RevocableCache({
      revocations,
      maxEntries: MOST_IN_MEMORY,
      load: (asked: Asked) => this.load(asked),
      topics: { gateway: ({ gatewayId }) => gatewayId },
    });
  }

  /** By which a request is found again. Null: it is too long to be kept. */
  keyOf(gateway: KnownGateway, operation: OperationName, body: string): Buffer | null {
    if (body.length > MOST_REQUEST_CHARACTERS) return null;
    return this.peppers.hash(`gateway-answer\0${gateway.id}\0${operation}\0${canonicalJson(body)}`);
  }

  /** Null: nothing is kept that is young enough. What can't be read is as good as nothing. */
  async find(gateway: KnownGateway, key: Buffer, maxAgeSeconds: number): Promise<FoundAnswer | null> {
    const place = `${gateway.id}\0${key.toString('base64')}`;
    let found = this.inMemory.get(place, { gateway, key });
    const nowMs = this.revocations.databaseNow();
    if (!(found instanceof Promise) && found.expiresAtMs <= nowMs) {
      this.inMemory.forget(place);
      found = this.inMemory.get(place, { gateway, key });
    }
    const known = found instanceof Promise ? await found : found;
    if (known === null) return null;
    const ageSeconds = Math.max(0, Math.floor((nowMs - known.createdAtMs) / 1000));
    return ageSeconds > maxAgeSeconds ? null : { answer: known.answer, ageSeconds };
  }

  /** After the answer has gone out: whether it could be kept is nothing to its caller. */
  async keep(gateway: KnownGateway, key: Buffer, answer: KeptAnswer): Promise<void> {
    const { id, tenantId, revision } = gateway;
    try {
      const encrypted = await this.cipher.encrypt(tenantId, packed(answer), placeOf(id, key));
      await this.database.call(KEEP, [tenantId, id, revision, key, encrypted]);
      this.inMemory.forget(`${id}\0${key.toString('base64')}`);
    } catch (error) {
      logger.warn({ err: error, tenantId, gatewayId: id }, 'An answer could not be kept in the cache of its gateway.');
    }
  }

  private async load({ gateway: { id, tenantId }, key }: Asked): Promise<Known | null> {
    const [row] = await this.database.call<Row & Record<string, unknown>>(FIND, [tenantId, id, key]);
    if (row === undefined) return null;
    try {
      const answer = unpacked(await this.cipher.decrypt(tenantId, row.answer, placeOf(id, key)));
      const times = { createdAtMs: row.created_at.getTime(), expiresAtMs: row.expires_at.getTime() };
      return { gatewayId: id, answer, ...times };
    } catch (error) {
      logger.warn({ err: error, tenantId, gatewayId: id }, 'A kept answer could not be read.');
      return null;
    }
  }
}

function placeOf(gatewayId: string, key: Buffer): { readonly table: string; readonly rowId: string } {
  return { table: 'gateway_cache_entries', rowId: `${gatewayId}:${key.toString('base64url')}` };
}
