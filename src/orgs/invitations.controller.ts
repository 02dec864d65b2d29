import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
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
import { IdempotencyKey, sendIdempotent } from '../platform/idempotency/index.js';
import {
  acceptInvitationRequest,
  acceptInvitationResponse,
  inviteMemberRequest,
  inviteMemberResponse,
  listInvitationsResponse,
  revokeInvitationRequest,
  type AcceptInvitationRequest,
  type InviteMemberRequest,
  type RevokeInvitationRequest,
} from './invitations.dto.js';
import { InvitationsService } from './invitations.service.js';
import { viewInvitation } from './invitations.view.js';
import { empty } from './orgs.dto.js';
import { viewOrg } from './orgs.view.js';
import { MANAGERS } from './roles.js';

@ApiTags('Invitations')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/orgs')
export class InvitationsController {
  constructor(private readonly invitations: InvitationsService) {}

  @Post('invite-member')
  @HttpCode(200)
  @ApiOperation({ summary: 'Invite an e-mail address; the link is shown only in this answer.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(inviteMemberResponse)
  @Refuses('already_exists')
  async invite(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(inviteMemberRequest) request: InviteMemberRequest,
    @IdempotencyKey() key: string | null,
    @Req() { protocol, host }: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    return sendIdempotent(reply, await this.invitations.invite(principal, request, `${protocol}://${host}`, key));
  }

  @Post('list-invitations')
  @HttpCode(200)
  @ApiOperation({ summary: 'The invitations that can still be accepted, newest first.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(listInvitationsResponse)
  async list(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(pageRequest) request: PageRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.invitations.list(principal, request);
    return { invitations: records.map(viewInvitation), nextPageToken };
  }

  @Post('revoke-invitation')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make an invitation void.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(empty)
  @Refuses('not_found', 'conflict')
  async revoke(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(revokeInvitationRequest) { invitationId }: RevokeInvitationRequest,
  ): Promise<object> {
    await this.invitations.revoke(principal, invitationId);
    return {};
  }

  @Post('accept-invitation')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Join the org that invited you.',
    description:
      "Needs a token whose verified `email` is the invited address. If your token has no tenant, your next one has the org's first tenant; otherwise use `tenants/switch`.",
  })
  @Access({ account: true, dashboardUser: true })
  @Answers(acceptInvitationResponse)
  @Refuses('not_found', 'already_exists')
  async accept(
    @CurrentPrincipal(['account', 'dashboardUser']) principal: AccountPrincipal | DashboardUserPrincipal,
    @PlatformBody(acceptInvitationRequest) { token }: AcceptInvitationRequest,
  ): Promise<object> {
    const accepted = await this.invitations.accept(principal, token);
    const { org_id: id, tenant_id: tenantId, name, slug, created_at: createdAt, role } = accepted;
    return {
      org: viewOrg({ id, name, slug, createdAt }, tenantId),
      membership: { userId: principal.userId, role },
    };
  }
}
