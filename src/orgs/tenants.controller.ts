import { Controller, HttpCode, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Access, CurrentPrincipal, type DashboardUserPrincipal } from '../identity/index.js';
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
import { empty } from './orgs.dto.js';
import { MANAGERS } from './roles.js';
import {
  createTenantRequest,
  createTenantResponse,
  deleteTenantRequest,
  listTenantsResponse,
  switchTenantResponse,
  tenantIdRequest,
  tenantResponse,
  updateTenantRequest,
  type CreateTenantRequest,
  type DeleteTenantRequest,
  type TenantIdRequest,
  type UpdateTenantRequest,
} from './tenants.dto.js';
import { TenantsService } from './tenants.service.js';
import { viewTenant } from './tenants.view.js';

@ApiTags('Tenants')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/tenants')
export class TenantsController {
  constructor(private readonly tenants: TenantsService) {}

  @Post('list')
  @HttpCode(200)
  @ApiOperation({ summary: "The org's tenants, newest first." })
  @Access({ dashboardUser: true })
  @Answers(listTenantsResponse)
  async list(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(pageRequest) request: PageRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.tenants.list(principal, request);
    return { tenants: records.map((record) => viewTenant(record, principal.tenantId)), nextPageToken };
  }

  @Post('create')
  @HttpCode(200)
  @ApiOperation({ summary: 'Create another, empty tenant of the org.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(createTenantResponse)
  async create(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(createTenantRequest) request: CreateTenantRequest,
    @IdempotencyKey() key: string | null,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.tenants.create(principal, request, key));
  }

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'One tenant of the org.' })
  @Access({ dashboardUser: true })
  @Answers(tenantResponse)
  @Refuses('not_found')
  async get(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(tenantIdRequest) { tenantId }: TenantIdRequest,
  ): Promise<object> {
    return { tenant: viewTenant(await this.tenants.get(principal, tenantId), principal.tenantId) };
  }

  @Post('update')
  @HttpCode(200)
  @ApiOperation({ summary: 'Change the fields of a tenant that are sent. Its id stays.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(tenantResponse)
  @Refuses('not_found')
  async update(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(updateTenantRequest) request: UpdateTenantRequest,
  ): Promise<object> {
    return { tenant: viewTenant(await this.tenants.update(principal, request), principal.tenantId) };
  }

  @Post('switch')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Switch to another tenant of any of your orgs.',
    description:
      'Issues your `tenant_id` claim again. Your current token is still for the old tenant; refresh it (Firebase: `getIdToken(true)`).',
  })
  @Access({ dashboardUser: true })
  @Answers(switchTenantResponse)
  @Refuses('not_found')
  async switch(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(tenantIdRequest) { tenantId }: TenantIdRequest,
  ): Promise<object> {
    const switched = await this.tenants.switch(principal, tenantId);
    const { tenant_id: id, org_id: orgId, name, created_at: createdAt, role } = switched;
    return {
      tenant: { id, orgId, name, createdAt: formatTimestamp(createdAt) },
      membership: { userId: principal.userId, role },
    };
  }

  @Post('delete')
  @HttpCode(200)
  @ApiOperation({ summary: 'Delete a tenant with all its data, for good.' })
  @Access({ dashboardUser: { roles: ['owner'] } })
  @Answers(empty)
  @Refuses('not_found', 'conflict')
  async delete(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(deleteTenantRequest) request: DeleteTenantRequest,
  ): Promise<object> {
    await this.tenants.delete(principal, request);
    return {};
  }
}
