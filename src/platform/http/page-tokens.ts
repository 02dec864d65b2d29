import { timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { PepperRing } from '../crypto/index.js';
import { invalidField } from '../errors/index.js';

type Cursor = readonly (string | number)[];

const SIGNATURE_BYTES = 16;

/**
 * Opaque page tokens. The signature covers the tenant and the filters, so that a token of another tenant or
 * of other filters is refused.
 */
@Injectable()
export class PageTokens {
  constructor(private readonly peppers: PepperRing) {}

  /** @param scope route, tenant and filters of the listing */
  write(scope: string, cursor: Cursor): string {
    const payload = Buffer.from(JSON.stringify(cursor));
    const signature = this.peppers.hash(signed(scope, payload)).subarray(0, SIGNATURE_BYTES);
    return Buffer.concat([signature, payload]).toString('base64url');
  }

  /**
   * @param field as the surface names it
   * @returns null for the empty token: the first page
   * @throws Fault invalid_input
   */
  read(scope: string, token: string, field = 'pageToken'): Cursor | null {
    if (token === '') return null;
    const bytes = Buffer.from(token, 'base64url');
    const payload = bytes.subarray(SIGNATURE_BYTES);
    const given = bytes.subarray(0, SIGNATURE_BYTES);
    const known = this.peppers
      .candidates(signed(scope, payload))
      .some(
        ({ hash }) => given.length === SIGNATURE_BYTES && timingSafeEqual(hash.subarray(0, SIGNATURE_BYTES), given),
      );
    if (!known)
      throw invalidField(field, 'is not a page token of this list; send the nextPageToken of the same request');
    return JSON.parse(payload.toString()) as Cursor;
  }
}

function signed(scope: string, payload: Buffer): string {
  return `page-token\0${scope}\0${payload.toString('base64')}`;
}
