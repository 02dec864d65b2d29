import { boundedCache } from '../caches/index.js';
import type { ShareOwner } from '../shares/index.js';

const MOST_KNOWN = 100_000;

/** Which org a tenant belongs to. A tenant never changes its org, so that the answer is kept for as long as there is room. */
export class TenantOrgs {
  private readonly known = boundedCache<ShareOwner>({ maxEntries: MOST_KNOWN });

  constructor(private readonly findOrgId: (tenantId: string) => Promise<string | null>) {}

  /** @throws Fault unavailable */
  ownerOf(tenantId: string): ShareOwner | Promise<ShareOwner> {
    return this.known.get(tenantId) ?? this.load(tenantId);
  }

  private async load(tenantId: string): Promise<ShareOwner> {
    const orgId = await this.findOrgId(tenantId);
    // Deleted meanwhile: what follows will find no tenant either.
    if (orgId === null) return { tenantId, orgId: tenantId };
    const owner: ShareOwner = { tenantId, orgId };
    this.known.set(tenantId, owner);
    return owner;
  }
}
