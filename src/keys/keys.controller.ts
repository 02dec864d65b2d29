import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, isScope, type DashboardUserPrincipal, type Role } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Answers, PlatformBody, SpeaksDialect, formatTimestamp } from '../platform/http/index.js';
import {
  createKeyRequest,
  createKeyResponse,
  keyIdRequest,
  keyResponse,
  listKeysRequest,
  listKeysResponse,
  updateKeyRequest,
  type CreateKeyRequest,
  type KeyIdRequest,
  type KeyView,
  type ListKeysRequest,
  type UpdateKeyRequest,
} from './keys.dto.js';
import type { ApiKeyRecord } from './keys.repository.js';
import { KeysService } from './keys.service.js';

const MANAGERS: readonly Role[] = ['owner', 'admin', 'developer'];
const READERS: readonly Role[] = [...MANAGERS, 'viewer'];

/** API keys are managed by people alone: no API key, whatever its scopes, may make or change one. */
@ApiTags('API keys')
@SpeaksDialect('platform')
@Controller('api/v1/api-keys')
export class KeysController {
  constructor(
    private readonly keys: KeysService,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make a secret key; the key itself is in this answer and nowhere else.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(createKeyResponse)
  async create(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(createKeyRequest) request: CreateKeyRequest,
  ): Promise<object> {
    const { record, key } = await this.keys.create(principal, request);
    return { result: { ...this.view(record), key } };
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The tenant's keys, newest first." })
  @Access({ dashboardUser: { roles: READERS } })
  @Answers(listKeysResponse)
  async list(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(listKeysRequest) request: ListKeysRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.keys.list(principal, request);
    return { apiKeys: records.map((record) => this.view(record)), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One key.' })
  @Access({ dashboardUser: { roles: READERS } })
  @Answers(keyResponse)
  async get(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(keyIdRequest) request: KeyIdRequest,
  ): Promise<object> {
    return { apiKey: this.view(await this.keys.get(principal, request.keyId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change what is named; the rest stays.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(keyResponse)
  async update(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(updateKeyRequest) request: UpdateKeyRequest,
  ): Promise<object> {
    return { apiKey: this.view(await this.keys.update(principal, request)) };
  }

  @Post('revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'End a key for good; every replica refuses it within a second.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(keyResponse)
  async revoke(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(keyIdRequest) request: KeyIdRequest,
  ): Promise<object> {
    return { apiKey: this.view(await this.keys.revoke(principal, request.keyId)) };
  }

  private view(record: ApiKeyRecord): KeyView {
    return {
      keyId: record.id,
      keyPrefix: record.keyPrefix,
      type: record.type === 'PUBLISHABLE' ? 'PUBLISHABLE' : 'SECRET',
      name: record.name,
      description: record.description,
      permissions: record.scopes.filter(isScope),
      rateLimit: { requestsPerMinute: record.requestsPerMinute ?? this.settings.requestsPerMinute },
      status: this.statusOf(record),
      createdAt: formatTimestamp(record.createdAt),
      ...(record.expiresAt === null ? {} : { expiresAt: formatTimestamp(record.expiresAt) }),
      ...(record.lastUsedAt === null ? {} : { lastUsedAt: formatTimestamp(record.lastUsedAt) }),
    };
  }

  private statusOf(record: ApiKeyRecord): KeyView['status'] {
    if (record.revokedAt !== null) return 'REVOKED';
    return record.expiresAt !== null && record.expiresAt <= this.keys.now() ? 'EXPIRED' : 'ACTIVE';
  }
}
