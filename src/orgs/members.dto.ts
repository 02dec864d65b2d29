import { z } from 'zod';
import { ROLES } from '../identity/index.js';
import { dateTime, id, role } from './orgs.dto.js';

export const updateMemberRequest = z.strictObject({ userId: id, role });
export type UpdateMemberRequest = z.output<typeof updateMemberRequest>;

export const removeMemberRequest = z.strictObject({ userId: id });
export type RemoveMemberRequest = z.output<typeof removeMemberRequest>;

const memberView = z
  .object({
    userId: z.string(),
    email: z.string().optional(),
    role: z.enum(ROLES),
    createdAt: dateTime,
  })
  .meta({ 'x-name': 'Member' });
export const memberResponse = z.object({ member: memberView });
export const listMembersResponse = z.object({ members: z.array(memberView), nextPageToken: z.string() });
