import { hash as hashOf } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { boundedCache } from '../platform/caches/index.js';
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
/** So many answers stay decrypted in this process, and so much of them; and so many spellings of requests are known. */
const MOST_IN_MEMORY = 4_096;
const MOST_BYTES_IN_MEMORY = 32 * 1024 * 1024;
const MOST_SPELLINGS = 8_192;
/** Beside an answer's body, about. */
const BYTES_AROUND = 512;

interface Row {
  readonly answer: Buffer;
  readonly created_at: Date;
  readonly expires_at: Date;
}

/** By which a request is found again, however it is spelled. */
export interface AnswerKey {
  readonly hash: Buffer;
  /** The same as text, within its gateway. */
  readonly place: string;
}

interface Known {
  readonly gatewayId: string;
  readonly answer: KeptAnswer;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

interface Asked {
  readonly gateway: KnownGateway;
  readonly hash: Buffer;
}

/** An answer that is kept, and how old it is. */
export interface FoundAnswer {
  readonly answer: KeptAnswer;
  readonly ageSeconds: number;
}

/**
 * The answers that gateways keep: each for exactly the same request to the same gateway, by any of its callers. At rest they
 * are encrypted for their tenant and place, and found by a keyed hash of the request. The latest are also kept decrypted in
 * this process until the gateway changes (every replica hears of that within 1 s), as are hashes of requests' bytes: a
 * request that comes in the same bytes again is found without being read.
 */
@Injectable()
export class GatewayCache {
  private readonly inMemory: RevocableCache<Known, Asked>;
  private readonly spellings = boundedCache<AnswerKey>({ maxEntries: MOST_SPELLINGS });

  constructor(
    private readonly database: Database,
    private readonly cipher: TenantCipher,
    private readonly peppers: PepperRing,
    private readonly revocations: Revocations,
  ) {
    this.inMemory = new RevocableCache({
      revocations,
      maxEntries: MOST_IN_MEMORY,
      bytes: { most: MOST_BYTES_IN_MEMORY, of: ({ answer }) => answer.body.length + BYTES_AROUND },
      load: (asked: Asked) => this.load(asked),
      topics: { gateway: ({ gatewayId }) => gatewayId },
    });
  }

  /** By which a request is found again. Null: it is too long to be kept. */
  keyOf(gateway: KnownGateway, operation: OperationName, body: string): AnswerKey | null {
    if (body.length > MOST_REQUEST_CHARACTERS) return null;
    const found = this.peppers.hash(`gateway-answer\0${gateway.id}\0${operation}\0${canonicalJson(body)}`);
    return { hash: found, place: `${gateway.id}\0${found.toString('base64')}` };
  }

  /**
   * What tells this very request apart, byte for byte; null: it is too long to be kept.
   *
   * @param model that the path says, whatever the body does
   */
  spellingOf(gateway: KnownGateway, operation: OperationName, model: string | null, body: Buffer): string | null {
    if (body.length > MOST_REQUEST_CHARACTERS) return null;
    return `${gateway.id}\0${operation}\0${model ?? ''}\0${hashOf('sha256', body, 'base64')}`;
  }

  /** Null: this spelling is not known. */
  keySpelled(spelling: string | null): AnswerKey | null {
    return spelling === null ? null : (this.spellings.get(spelling) ?? null);
  }

  /** @param key of a request that was read, and is one that can be asked */
  rememberSpelling(spelling: string | null, key: AnswerKey | null): void {
    if (spelling !== null && key !== null) this.spellings.set(spelling, key);
  }

  /** Null: nothing is kept that is young enough. What can't be read is as good as nothing. */
  async find(gateway: KnownGateway, key: AnswerKey, maxAgeSeconds: number): Promise<FoundAnswer | null> {
    const { place, hash } = key;
    let found = this.inMemory.get(place, { gateway, hash });
    const nowMs = this.revocations.databaseNow();
    if (!(found instanceof Promise) && found.expiresAtMs <= nowMs) {
      this.inMemory.forget(place);
      found = this.inMemory.get(place, { gateway, hash });
    }
    const known = found instanceof Promise ? await found : found;
    if (known === null) return null;
    const ageSeconds = Math.max(0, Math.floor((nowMs - known.createdAtMs) / 1000));
    return ageSeconds > maxAgeSeconds ? null : { answer: known.answer, ageSeconds };
  }

  /** After the answer has gone out: whether it could be kept is nothing to its caller. */
  async keep(gateway: KnownGateway, { hash, place }: AnswerKey, answer: KeptAnswer): Promise<void> {
    const { id, tenantId, revision } = gateway;
    try {
      const encrypted = await this.cipher.encrypt(tenantId, packed(answer), placeOf(id, hash));
      await this.database.call(KEEP, [tenantId, id, revision, hash, encrypted]);
      this.inMemory.forget(place);
    } catch (error) {
      logger.warn({ err: error, tenantId, gatewayId: id }, 'An answer could not be kept in the cache of its gateway.');
    }
  }

  private async load({ gateway: { id, tenantId }, hash }: Asked): Promise<Known | null> {
    const [row] = await this.database.call<Row & Record<string, unknown>>(FIND, [tenantId, id, hash]);
    if (row === undefined) return null;
    try {
      const answer = unpacked(await this.cipher.decrypt(tenantId, row.answer, placeOf(id, hash)));
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
