import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  Access,
  CurrentPrincipal,
  ROLES,
  ROLE_SCOPES,
  SCOPES,
  type AccountPrincipal,
  type DashboardUserPrincipal,
} from '../identity/index.js';
import { Answers, PlatformBody, PLATFORM_DIALECT, SpeaksDialect } from '../platform/http/index.js';
import { empty } from './orgs.dto.js';
import { OrgsService } from './orgs.service.js';

/** As many as a page of a list has at most; a person with more orgs finds them by orgs/list. */
const MOST_ORGS = 500;

const getMeResponse = z.object({
  userId: z.string(),
  email: z.string().optional(),
  emailVerified: z.boolean(),
  tenantId: z.string().optional().meta({ description: 'Absent: your token is for no tenant of yours.' }),
  role: z.enum(ROLES).optional().meta({ description: 'In the org of that tenant.' }),
  scopes: z.array(z.enum(SCOPES)).meta({ description: 'What that role may do.' }),
  orgs: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      slug: z.string(),
      role: z.enum(ROLES),
      tenants: z.array(z.object({ id: z.string(), name: z.string() })),
    }),
  ),
});

@ApiTags('Orgs')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/me')
export class MeController {
  constructor(private readonly orgs: OrgsService) {}

  @Post('get')
  @HttpCode(200)
  @ApiOperation({ summary: 'Who you are, the orgs that you belong to, and what you may do in the current tenant.' })
  @Access({ account: true, dashboardUser: true })
  @Answers(getMeResponse)
  async get(
    @CurrentPrincipal(['account', 'dashboardUser']) principal: AccountPrincipal | DashboardUserPrincipal,
    @PlatformBody(empty) _request: object,
  ): Promise<object> {
    const { userId, email, emailVerified } = principal;
    const { records } = await this.orgs.list(principal, { pageSize: MOST_ORGS, pageToken: '' });
    return {
      userId,
      ...(email === null ? {} : { email }),
      emailVerified,
      ...(principal.kind === 'dashboardUser' ? { tenantId: principal.tenantId, role: principal.role } : {}),
      scopes: principal.kind === 'dashboardUser' ? [...ROLE_SCOPES[principal.role]] : [],
      orgs: records.map(({ id, name, slug, role, tenants }) => ({ id, name, slug, role, tenants })),
    };
  }
}
