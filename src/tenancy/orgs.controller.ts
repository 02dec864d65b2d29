import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access, CurrentPrincipal, type AccountPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
import { Answers, PlatformBody, SpeaksDialect, formatTimestamp } from '../platform/http/index.js';
import { createOrgRequest, createOrgResponse, type CreateOrgRequest } from './orgs.dto.js';
import { OrgsService } from './orgs.service.js';

@ApiTags('Orgs')
@SpeaksDialect('platform')
@Controller('api/v1/orgs')
export class OrgsController {
  constructor(private readonly orgs: OrgsService) {}

  /** Somebody with a tenant is let through to hear 409 rather than 403: they have an org already. */
  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make your first org, with its first tenant; you become its owner.' })
  @Access({ account: true, dashboardUser: true })
  @Answers(createOrgResponse)
  async create(
    @CurrentPrincipal(['account', 'dashboardUser']) principal: AccountPrincipal | DashboardUserPrincipal,
    @PlatformBody(createOrgRequest) request: CreateOrgRequest,
  ): Promise<object> {
    const created = await this.orgs.create(
      principal.kind === 'account'
        ? { userId: principal.userId, email: principal.email, hasTenant: principal.claimsTenant }
        : { userId: principal.userId, email: null, hasTenant: true },
      request,
    );
    return {
      org: {
        id: created.org_id,
        tenantId: created.tenant_id,
        name: created.name,
        slug: created.slug,
        createdAt: formatTimestamp(created.created_at),
      },
      membership: { userId: principal.userId, role: created.role },
    };
  }
}
