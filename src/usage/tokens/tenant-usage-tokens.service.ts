import { Injectable } from '@nestjs/common';
import { auditActor, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { Database } from '../../platform/database/index.js';
import { Fault } from '../../platform/errors/index.js';
import { Events } from '../../platform/events/index.js';
import { newestFirst, PageTokens, type Page } from '../../platform/http/index.js';
import { formatTimestamp } from '../../platform/protojson/index.js';
import type { ListUsageTokensRequest, UsageTokenView } from './tenant-usage-tokens.dto.js';
import { TenantUsageTokensRepository, type UsageTokenRecord } from './tenant-usage-tokens.repository.js';

/** Who may manage a tenant's usage tokens: its people and its servers. */
export type TokensManager = DashboardUserPrincipal | SecretKeyPrincipal;

/** The usage tokens of a tenant, one by one. */
@Injectable()
export class TenantUsageTokensService {
  constructor(
    private readonly database: Database,
    private readonly repository: TenantUsageTokensRepository,
    private readonly events: Events,
    private readonly pageTokens: PageTokens,
  ) {}

  /** @throws Fault invalid_input: a page token that is not of this listing */
  async list({ tenantId }: TokensManager, request: ListUsageTokensRequest): Promise<Page<UsageTokenView>> {
    const { pageSize, pageToken, ...filter } = request;
    const { records, nextPageToken } = await newestFirst<UsageTokenRecord>(
      this.pageTokens,
      `usage/list-tokens:${tenantId}:${JSON.stringify(filter)}`,
      { pageSize, pageToken },
      (record) => record,
      (after, take) =>
        this.database.withTenant(tenantId, (tx) => this.repository.list(tx, tenantId, filter, after, take)),
    );
    return { records: records.map(viewToken), nextPageToken };
  }

  /** A second revocation succeeds too. @throws Fault not_found: no such token, or it ended an hour ago */
  revoke(principal: TokensManager, tokenId: string): Promise<UsageTokenView> {
    const { tenantId } = principal;
    return this.database.changeTenant(tenantId, async (tx) => {
      const revoked = await this.repository.revoke(tx, tenantId, tokenId);
      const record = (await this.repository.find(tx, tenantId, tokenId)) ?? notFound();
      if (revoked) {
        await this.events.publish(tx, {
          action: 'usage_token.revoked',
          actor: auditActor(principal),
          tenantId,
          resource: { type: 'human', id: record.humanId },
          humanId: record.humanId,
          details: { tokens: 1 },
        });
      }
      return viewToken(record);
    });
  }
}

function viewToken({ id, createdAt, expiresAt, ...record }: UsageTokenRecord): UsageTokenView {
  const { human, keyId, keyName, status } = record;
  return {
    tokenId: id,
    human,
    keyId,
    keyName,
    status,
    createdAt: formatTimestamp(createdAt),
    expiresAt: formatTimestamp(expiresAt),
  };
}

/** Another tenant's token gets the same words as an unknown one. */
function notFound(): never {
  throw new Fault('not_found', 'No usage token has this id. List them with /api/v1/usage/list-tokens.');
}
