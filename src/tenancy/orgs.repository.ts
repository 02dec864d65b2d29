import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/index.js';

const CREATE = { name: 'create_org', text: 'SELECT * FROM create_org($1, $2, $3, $4, $5, $6, $7, $8)' };
const TAKE_CLAIM_WRITES = { name: 'take_claim_writes', text: 'SELECT * FROM take_claim_writes($1)' };
const FINISH_CLAIM_WRITE = { name: 'finish_claim_write', text: 'SELECT finish_claim_write($1)' };

export interface NewOrg {
  readonly userId: string;
  readonly email: string | null;
  /** Whether the token that asks carries a tenant: then a repeat is a conflict. */
  readonly hasTenant: boolean;
  readonly orgId: string;
  readonly tenantId: string;
  readonly name: string;
  readonly slug: string;
  readonly claimWriteId: string;
}

export interface CreatedOrg {
  readonly result: 'created' | 'repeated';
  readonly org_id: string;
  readonly tenant_id: string;
  readonly name: string;
  readonly slug: string;
  readonly created_at: Date;
  readonly role: string;
}

export interface ClaimWrite {
  readonly id: string;
  readonly user_id: string;
  readonly claims: { readonly tenant_id: string; readonly role: string };
  readonly attempts: number;
}

/** Orgs before a tenant is known: by functions of the database that look across tenants, and no other way. */
@Injectable()
export class OrgsRepository {
  constructor(private readonly database: Database) {}

  async create(org: NewOrg): Promise<CreatedOrg | 'has_org' | 'slug_taken'> {
    const [row] = await this.database.call<CreatedOrg & { result: string }>(CREATE, [
      org.userId,
      org.email,
      org.hasTenant,
      org.orgId,
      org.tenantId,
      org.name,
      org.slug,
      org.claimWriteId,
    ]);
    if (row === undefined) throw new TypeError('create_org gave no row.');
    const result: string = row.result;
    return result === 'has_org' || result === 'slug_taken' ? result : row;
  }

  takeClaimWrites(limit: number): Promise<ClaimWrite[]> {
    return this.database.call<ClaimWrite>(TAKE_CLAIM_WRITES, [limit]);
  }

  async finishClaimWrite(id: string): Promise<void> {
    await this.database.call(FINISH_CLAIM_WRITE, [id]);
  }
}
