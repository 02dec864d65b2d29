import { Injectable } from '@nestjs/common';
import { randomBase62, uuidV7 } from '../platform/crypto/index.js';
import { Fault } from '../platform/errors/index.js';
import { ClaimWrites } from './claim-writes.js';
import type { CreateOrgRequest } from './orgs.dto.js';
import { OrgsRepository, type CreatedOrg } from './orgs.repository.js';

/** A signed-in person, in a tenant or in none. */
export interface OrgFounder {
  readonly userId: string;
  readonly email: string | null;
  readonly hasTenant: boolean;
}

const DERIVED_SLUG_TRIES = 5;

@Injectable()
export class OrgsService {
  constructor(
    private readonly repository: OrgsRepository,
    private readonly claimWrites: ClaimWrites,
  ) {}

  /**
   * Makes an org, its first tenant and its owner in one transaction, and has the issuer told. The org stands whether or
   * not the issuer can be reached: the claims follow from an outbox, and calling again with the same name, as one does who
   * never saw the answer, sets them again and answers the same org.
   *
   * @throws Fault already_exists: the person has an org otherwise, or the slug is taken
   */
  async create(founder: OrgFounder, request: CreateOrgRequest): Promise<CreatedOrg> {
    const derived = request.slug === '';
    for (let attempt = 0; ; attempt += 1) {
      const base = derived ? slugOf(request.name) : request.slug;
      const slug = attempt === 0 ? base : `${base.slice(0, 41).replace(/-$/, '')}-${lowerRandom(6)}`;
      const claimWriteId = uuidV7();
      const created = await this.repository.create({
        ...founder,
        orgId: `org_${randomBase62(20)}`,
        tenantId: `${slug.slice(0, 40).replace(/-$/, '')}-${lowerRandom(6)}`,
        name: request.name,
        slug,
        claimWriteId,
      });
      if (created === 'has_org') throw new Fault('already_exists', 'You belong to an org already.');
      if (created === 'slug_taken') {
        if (derived && attempt < DERIVED_SLUG_TRIES) continue;
        throw new Fault('already_exists', 'slug: is taken.', { fields: [{ field: 'slug', reason: 'is taken' }] });
      }
      await this.claimWrites.writeNow({
        id: claimWriteId,
        user_id: founder.userId,
        claims: { tenant_id: created.tenant_id, role: created.role },
        attempts: 0,
      });
      return created;
    }
  }
}

function slugOf(name: string): string {
  const slug = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-$/, '');
  return slug.length >= 2 ? slug : 'org';
}

function lowerRandom(length: number): string {
  let text = '';
  while (text.length < length) text += randomBase62(length).replace(/[A-Z]/g, '');
  return text.slice(0, length);
}
