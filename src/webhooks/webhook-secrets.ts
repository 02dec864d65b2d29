import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { EncryptionKeyRing, uuidV7, type EnvelopePlace } from '../platform/crypto/index.js';
import { newWebhookSecret } from './webhook-signature.js';

const TABLE = 'webhook_secrets';

/** A secret, as the database stores it. */
export interface StoredSecret {
  readonly id: string;
  readonly envelope: Uint8Array;
}

export interface NewSecret extends StoredSecret {
  readonly keyVersion: number;
  /** Shown only once, to the caller who asked for it. */
  readonly secret: string;
}

/** Secrets of endpoints: stored encrypted, each bound to its tenant and row. */
@Injectable()
export class WebhookSecrets {
  constructor(private readonly keys: EncryptionKeyRing) {}

  get newestKeyVersion(): number {
    return this.keys.newestVersion;
  }

  make(tenantId: string): NewSecret {
    const id = uuidV7();
    const secret = newWebhookSecret();
    const envelope = this.keys.encrypt(Buffer.from(secret), place(tenantId, id));
    return { id, secret, envelope, keyVersion: this.keys.newestVersion };
  }

  /** @throws EnvelopeError */
  reveal(tenantId: string, { id, envelope }: StoredSecret): string {
    return this.keys.decrypt(envelope, place(tenantId, id)).toString();
  }

  /** Compares in constant time. @throws EnvelopeError */
  isSame(tenantId: string, stored: StoredSecret, presented: string): boolean {
    const [ours, theirs] = [Buffer.from(this.reveal(tenantId, stored)), Buffer.from(presented)];
    return ours.length === theirs.length && timingSafeEqual(ours, theirs);
  }

  /** Encrypts again under the newest key. @throws EnvelopeError */
  rewrap(tenantId: string, { id, envelope }: StoredSecret): Uint8Array {
    return this.keys.rewrap(envelope, place(tenantId, id));
  }
}

function place(tenantId: string, rowId: string): EnvelopePlace {
  return { tenantId, table: TABLE, rowId };
}
