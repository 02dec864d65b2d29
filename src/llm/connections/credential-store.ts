import { Injectable } from '@nestjs/common';
import { TenantCipher } from '../../platform/encryption/index.js';
import type { ProviderCredentials } from '../providers/provider-factory.js';

/** The row that holds credentials, and what they are for: after a change behind our back they can't be decrypted. */
export interface CredentialPlace {
  readonly id: string;
  readonly kind: string;
  readonly baseUrl: string | null;
}

/** Credentials of tenants' providers: encrypted wherever they rest. */
@Injectable()
export class CredentialStore {
  constructor(private readonly cipher: TenantCipher) {}

  /** Null: the provider has no credentials. */
  async encrypt(tenantId: string, credentials: ProviderCredentials, at: CredentialPlace): Promise<Uint8Array | null> {
    if (Object.values(credentials).every((value) => value === undefined)) return null;
    return this.cipher.encrypt(tenantId, JSON.stringify(credentials), placeOf(at));
  }

  /** @throws EnvelopeError */
  async decrypt(tenantId: string, stored: Uint8Array | null, at: CredentialPlace): Promise<ProviderCredentials> {
    if (stored === null) return {};
    const text = await this.cipher.decrypt(tenantId, stored, placeOf(at));
    return JSON.parse(text.toString('utf8')) as ProviderCredentials;
  }
}

function placeOf({ id, kind, baseUrl }: CredentialPlace): { table: string; rowId: string } {
  return { table: 'llm_providers', rowId: JSON.stringify([id, kind, baseUrl]) };
}
