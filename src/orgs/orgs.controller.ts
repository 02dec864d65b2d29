import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type AccountPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
import {
  Answers,
  type PageRequest,
  PlatformBody,
  PLATFORM_DIALECT,
  SpeaksDialect,
  pageRequest,
  Refuses,
} from '../platform/http/index.js';
import { formatTimestamp } from '../platform/protojson/index.js';
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import {
  createOrgRequest,
  createOrgResponse,
  deleteOrgRequest,
  empty,
  getOrgResponse,
  listOrgsResponse,
  updateOrgRequest,
  updateOrgResponse,
  type CreateOrgRequest,
  type DeleteOrgRequest,
  type UpdateOrgRequest,
} from './orgs.dto.js';
import type { OrgFounder } from './org-founding.js';
import { OrgsService } from './orgs.service.js';
import { viewOrg } from './orgs.view.js';
import { MANAGERS } from './roles.js';

@ApiTags('Orgs')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/orgs')
export class OrgsController {
  constructor(private readonly orgs: OrgsService) {}

  /** A user with a tenant is let through to hear 409 rather than 403: they have an org already. */
  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create your first org with its first tenant; you become its owner.' })
  @Access({ account: true, dashboardUser: true })
  @Answers(createOrgResponse)
  @Refuses('already_exists')
  async create(
    @CurrentPrincipal(['account', 'dashboardUser']) principal: AccountPrincipal | DashboardUserPrincipal,
    @PlatformBody(createOrgRequest) request: CreateOrgRequest,
    @IdempotencyKey() key: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.orgs.createOnce(founderOf(principal), request, key));
  }

  @Post('list')
  @HttpCode(200)
  @ApiOperation({
    summary: 'The orgs that you belong to, with their tenants, newest first.',
    description: 'With a token that has none of your tenants, it also issues your claims again.',
  })
  @Access({ account: true, dashboardUser: true })
  @Answers(listOrgsResponse)
  async list(
    @CurrentPrincipal(['account', 'dashboardUser']) principal: AccountPrincipal | DashboardUserPrincipal,
    @PlatformBody(pageRequest) request: PageRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.orgs.list(principal, request);
    return {
      orgs: records.map(({ created_at: createdAt, ...org }) => ({ ...org, createdAt: formatTimestamp(createdAt) })),
      nextPageToken,
    };
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'The org of your tenant, and your role in it.' })
  @Access({ dashboardUser: true })
  @Answers(getOrgResponse)
  async get(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(empty) _request: object,
  ): Promise<object> {
    const { tenantId, userId, role } = principal;
    return { org: viewOrg(await this.orgs.get(principal), tenantId), membership: { userId, role } };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the fields that are sent; the others stay. The ids of tenants do not change.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(updateOrgResponse)
  @Refuses('already_exists')
  async update(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(updateOrgRequest) request: UpdateOrgRequest,
  ): Promise<object> {
    return { org: viewOrg(await this.orgs.update(principal, request), principal.tenantId) };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete the org with its tenants and all their data, for good.' })
  @Access({ dashboardUser: { roles: ['owner'] } })
  @Answers(empty)
  async delete(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(deleteOrgRequest) { name }: DeleteOrgRequest,
  ): Promise<object> {
    await this.orgs.delete(principal, name);
    return {};
  }
}

function founderOf(principal: AccountPrincipal | DashboardUserPrincipal): OrgFounder {
  return {
    userId: principal.userId,
    // Shown to the org's people as theirs: only if the issuer vouches for it.
    email: principal.emailVerified ? principal.email : null,
    hasTenant: principal.kind === 'dashboardUser' || principal.claimsTenant,
  };
}
