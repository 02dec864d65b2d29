import { Controller, HttpCode, Inject, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type DashboardUserPrincipal, type Role } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect, Refuses } from '../platform/http/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import {
  createKeyRequest,
  createKeyResponse,
  createPublishableKeyRequest,
  keyIdRequest,
  keyResponse,
  listKeysRequest,
  listKeysResponse,
  rotateKeyRequest,
  rotateKeyResponse,
  updateKeyRequest,
  type CreateKeyRequest,
  type CreatePublishableKeyRequest,
  type KeyIdRequest,
  type KeyView,
  type ListKeysRequest,
  type RotateKeyRequest,
  type UpdateKeyRequest,
} from './keys.dto.js';
import type { ApiKeyRecord } from './keys.repository.js';
import { IssuedOnce } from './issued-once.js';
import { KeysService } from './keys.service.js';
import { viewKey } from './keys.view.js';

const WRITERS: readonly Role[] = ['owner', 'admin', 'developer'];
const READERS: readonly Role[] = [...WRITERS, 'viewer'];

/** Only people manage API keys: no API key, whatever its scopes, may make or change one. */
@ApiTags('API keys')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/api-keys')
export class KeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly issued: IssuedOnce,
    @Inject(SETTINGS_TOKEN) private readonly settings: Settings,
  ) {}

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create a secret key; the key is shown only in this answer.' })
  @Access({ dashboardUser: { roles: WRITERS } })
  @Answers(createKeyResponse)
  async create(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(createKeyRequest) request: CreateKeyRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.issued.create(principal, request, idempotencyKey));
  }

  @Post('create-publishable')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Create a publishable key for an app. It works only together with a token of one of the app’s users.',
    description:
      '`oidcConfig` names the issuer of the users. The first issuer of a tenant uses unprefixed subjects; each further one needs its own `humanPrefix`.',
  })
  @Access({ dashboardUser: { roles: WRITERS } })
  @Answers(createKeyResponse)
  @Refuses('conflict')
  async createPublishable(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(createPublishableKeyRequest) request: CreatePublishableKeyRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.issued.createPublishable(principal, request, idempotencyKey));
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
    return { apiKeys: await this.views(principal, records), nextPageToken };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One key.' })
  @Access({ dashboardUser: { roles: READERS } })
  @Answers(keyResponse)
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(keyIdRequest) request: KeyIdRequest,
  ): Promise<object> {
    return { apiKey: await this.view(principal, await this.keys.get(principal, request.keyId)) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the fields that are sent; the others stay.' })
  @Access({ dashboardUser: { roles: WRITERS } })
  @Answers(keyResponse)
  @Refuses('not_found', 'conflict')
  async update(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(updateKeyRequest) request: UpdateKeyRequest,
  ): Promise<object> {
    return { apiKey: await this.view(principal, await this.keys.update(principal, request)) };
  }

  @Post('rotate')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Give a key a new secret and keep its id; it is shown only in this answer.',
    description:
      'The old secret works until `gracePeriodSeconds` have passed, and so do older ones in their grace period. `revoke` ends them all.',
  })
  @Access({ dashboardUser: { roles: WRITERS } })
  @Answers(rotateKeyResponse)
  @Refuses('not_found', 'conflict')
  async rotate(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(rotateKeyRequest) request: RotateKeyRequest,
    @IdempotencyKey() idempotencyKey: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.issued.rotate(principal, request, idempotencyKey));
  }

  @Post('revoke')
  @HttpCode(200)
  @ApiOperation({ summary: 'Revoke a key for good. Every replica refuses it within a second.' })
  @Access({ dashboardUser: { roles: WRITERS } })
  @Answers(keyResponse)
  @Refuses('not_found')
  async revoke(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(keyIdRequest) request: KeyIdRequest,
  ): Promise<object> {
    return { apiKey: await this.view(principal, await this.keys.revoke(principal, request.keyId)) };
  }

  private async view(principal: DashboardUserPrincipal, record: ApiKeyRecord): Promise<KeyView> {
    return viewKey(record, this.settings, this.keys.now(), await this.keys.details(principal, [record]));
  }

  private async views(principal: DashboardUserPrincipal, records: readonly ApiKeyRecord[]): Promise<KeyView[]> {
    const details = await this.keys.details(principal, records);
    return records.map((record) => viewKey(record, this.settings, this.keys.now(), details));
  }
}
