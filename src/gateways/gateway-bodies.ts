import { Injectable } from '@nestjs/common';
import { EnvelopeError } from '../platform/crypto/index.js';
import { Database } from '../platform/database/index.js';
import { TenantCipher } from '../platform/encryption/index.js';
import { logger } from '../platform/logging/index.js';
import type { KnownGateway } from './gateway.directory.js';
import type { TenantGateways } from './gateways.repository.js';

const KEEP = { name: 'keep_gateway_bodies', text: 'SELECT keep_gateway_bodies($1, $2, $3, $4, $5)' };
/** What is longer is cut. */
export const MOST_BODY_BYTES = 256 * 1024;

export interface KeptBodies {
  readonly request: string | null;
  readonly response: string | null;
}

/** The bodies of calls, for gateways that say so: encrypted, and gone when their time is over. */
@Injectable()
export class GatewayBodies {
  constructor(
    private readonly database: Database,
    private readonly cipher: TenantCipher,
  ) {}

  /** After the call: whether they could be kept is nothing to its caller. */
  async keep({ id, tenantId }: KnownGateway, callId: string, request: Buffer, response: Buffer | null): Promise<void> {
    try {
      const encrypt = (body: Buffer, what: string): Promise<Buffer> =>
        this.cipher.encrypt(tenantId, body.subarray(0, MOST_BODY_BYTES), placeOf(callId, what));
      const encrypted = [
        await encrypt(request, 'request'),
        response === null ? null : await encrypt(response, 'response'),
      ];
      await this.database.call(KEEP, [callId, tenantId, id, ...encrypted]);
    } catch (error) {
      logger.warn({ err: error, tenantId, gatewayId: id }, 'The bodies of a call could not be kept.');
    }
  }

  /** Null: none are kept, or they can't be read. */
  async find({ tx, tenantId }: TenantGateways, gatewayId: string, callId: string): Promise<KeptBodies> {
    const row = await tx.gatewayCallBody.findFirst({
      where: { tenantId, gatewayId, id: callId, expiresAt: { gt: new Date() } },
      select: { request: true, response: true },
    });
    if (row === null) return { request: null, response: null };
    const decrypt = async (body: Uint8Array | null, what: string): Promise<string | null> => {
      try {
        return body === null
          ? null
          : (await this.cipher.decrypt(tenantId, body, placeOf(callId, what))).toString('utf8');
      } catch (error) {
        if (!(error instanceof EnvelopeError)) throw error;
        logger.error({ err: error, tenantId, gatewayId }, 'The bodies of a call could not be decrypted.');
        return null;
      }
    };
    return { request: await decrypt(row.request, 'request'), response: await decrypt(row.response, 'response') };
  }
}

/** Two columns of a row are two places. */
function placeOf(callId: string, what: string): { readonly table: string; readonly rowId: string } {
  return { table: 'gateway_call_bodies', rowId: `${callId}:${what}` };
}
