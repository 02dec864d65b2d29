import { Injectable } from '@nestjs/common';
import { randomBase62 } from '../../platform/crypto/index.js';
import type { TenantTransaction } from '../../platform/database/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { OutboundHttp } from '../../platform/outbound/index.js';
import type { ProviderCredentials, ProviderKind, ProviderSettings } from '../providers/provider-factory.js';
import { CredentialStore } from './credential-store.js';
import { assertFitsKind } from './provider-rules.js';
import { ProvidersRepository, type ProviderRecord } from './providers.repository.js';
import { TenantProviders } from './tenant-providers.js';

/** A provider as a gateway is set up with it. */
export interface GatewayProviderForm {
  /** Unique among those of the gateway. */
  readonly name: string;
  readonly kind: ProviderKind;
  /** Empty: the kind's own address. */
  readonly baseUrl: string;
  /** Null: those that are stored under this name stay. */
  readonly credentials: ProviderCredentials | null;
  readonly models: readonly string[];
  readonly settings: ProviderSettings;
}

/** A transaction of the gateways' room that changes a gateway of the tenant. */
export interface GatewayTransaction {
  readonly tx: TenantTransaction;
  readonly tenantId: string;
  readonly gatewayId: string;
}

/** What a gateway calls one of its provider's fields, where it is another name than a tenant's provider has for it. */
const NAMES: Readonly<Record<string, string>> = {
  baseUrl: 'endpoint',
  'credentials.apiKey': 'apiKey',
  kind: 'provider',
};

/** The providers of gateways: like a tenant's own, with the same rules and the same encryption, but owned by a gateway. */
@Injectable()
export class GatewayConnections {
  constructor(
    private readonly repository: ProvidersRepository,
    private readonly credentials: CredentialStore,
    private readonly outbound: OutboundHttp,
    private readonly inUse: TenantProviders,
  ) {}

  /**
   * Gives a gateway exactly these providers, in this order. One with the same name keeps its id and, unless new ones or
   * another address are given, its credentials.
   * @throws Fault invalid_input, naming the field of the provider at fault
   */
  async replace(gateway: GatewayTransaction, forms: readonly GatewayProviderForm[], createdBy: string): Promise<void> {
    const before = new Map((await this.listOf(gateway, [gateway.gatewayId])).map((record) => [record.name, record]));
    for (const record of before.values())
      if (!forms.some(({ name, kind }) => name === record.name && kind === record.kind))
        await this.repository.delete(gateway, record.id);
    for (const [place, form] of forms.entries()) {
      const stored = before.get(form.name);
      await told(`providers[${place}]`, () =>
        stored?.kind === form.kind
          ? this.update(gateway, stored, form, place)
          : this.create(gateway, form, place, createdBy),
      );
    }
  }

  /** By gateway, in their order. */
  listOf(
    gateway: Pick<GatewayTransaction, 'tx' | 'tenantId'>,
    gatewayIds: readonly string[],
  ): Promise<readonly (ProviderRecord & { readonly gatewayId: string | null })[]> {
    return this.repository.listOfGateways(gateway, gatewayIds);
  }

  /** After a change by this process: its own next call must see it. */
  forget(tenantId: string, gatewayId: string): void {
    this.inUse.forget(tenantId, gatewayId);
  }

  private async create(
    gateway: GatewayTransaction,
    form: GatewayProviderForm,
    place: number,
    createdBy: string,
  ): Promise<void> {
    const { name, kind, models, settings } = form;
    const baseUrl = this.addressOf(form);
    const credentials = form.credentials ?? {};
    assertFitsKind({ kind, baseUrl, credentials, settings });
    const id = `provider_${randomBase62(20)}`;
    await this.repository.create(gateway, {
      ...{ id, name, kind, baseUrl, models, settings, place, createdBy },
      credentials: await this.credentials.encrypt(gateway.tenantId, credentials, { id, kind, baseUrl }),
    });
  }

  private async update(
    gateway: GatewayTransaction,
    before: ProviderRecord,
    form: GatewayProviderForm,
    place: number,
  ): Promise<void> {
    const { kind, models, settings, credentials } = form;
    const { id } = before;
    const baseUrl = this.addressOf(form);
    assertFitsKind({ kind, baseUrl, credentials, settings });
    const moves = baseUrl !== before.baseUrl;
    if (moves && credentials === null && before.credentialsSetAt !== null) {
      throw invalidField(
        'credentials.apiKey',
        'is required when the endpoint changes: the stored one belongs to the old endpoint',
      );
    }
    await this.repository.update(gateway, id, {
      ...{ baseUrl, models, settings, place },
      ...(credentials === null
        ? {}
        : { credentials: await this.credentials.encrypt(gateway.tenantId, credentials, { id, kind, baseUrl }) }),
    });
  }

  private addressOf({ baseUrl }: GatewayProviderForm): string | null {
    if (baseUrl === '') return null;
    this.outbound.assertAllowedUrl(baseUrl, 'baseUrl');
    return baseUrl;
  }
}

/** Faults of one provider name its fields as the gateway's caller wrote them. */
async function told(at: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Fault) || error.fields.length === 0) throw error;
    const fields = error.fields.map(({ field, reason }) => ({ field: `${at}.${NAMES[field] ?? field}`, reason }));
    throw new Fault(error.kind, fields.map(({ field, reason }) => `${field}: ${reason}`).join('; '), { fields });
  }
}
