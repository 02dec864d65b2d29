import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
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
import {
  listMembersResponse,
  memberResponse,
  removeMemberRequest,
  updateMemberRequest,
  type RemoveMemberRequest,
  type UpdateMemberRequest,
} from './members.dto.js';
import type { MemberRecord } from './members.repository.js';
import { MembersService } from './members.service.js';
import { empty } from './orgs.dto.js';
import { MANAGERS } from './roles.js';

@ApiTags('Members')
@SpeaksDialect(PLATFORM_DIALECT)
@Controller('api/v1/orgs')
export class MembersController {
  constructor(private readonly members: MembersService) {}

  @Post('list-members')
  @HttpCode(200)
  @ApiOperation({ summary: "The org's members, newest first." })
  @Access({ dashboardUser: true })
  @Answers(listMembersResponse)
  async list(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(pageRequest) request: PageRequest,
  ): Promise<object> {
    const { records, nextPageToken } = await this.members.list(principal, request);
    return { members: records.map(viewMember), nextPageToken };
  }

  @Post('update-member')
  @HttpCode(200)
  @ApiOperation({ summary: "Change a member's role. Only an owner can change an owner, or make a member an owner." })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(memberResponse)
  @Refuses('not_found', 'conflict')
  async update(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(updateMemberRequest) request: UpdateMemberRequest,
  ): Promise<object> {
    return { member: viewMember(await this.members.update(principal, request)) };
  }

  @Post('remove-member')
  @HttpCode(200)
  @ApiOperation({ summary: 'Remove a member. Every replica refuses them within a second.' })
  @Access({ dashboardUser: { roles: MANAGERS } })
  @Answers(empty)
  @Refuses('not_found', 'conflict')
  async remove(
    @CurrentPrincipal(['dashboardUser']) principal: DashboardUserPrincipal,
    @PlatformBody(removeMemberRequest) { userId }: RemoveMemberRequest,
  ): Promise<object> {
    await this.members.remove(principal, userId);
    return {};
  }
}

function viewMember({ userId, user, role, createdAt }: MemberRecord): object {
  return { userId, email: user.email, role, createdAt: formatTimestamp(createdAt) };
}
