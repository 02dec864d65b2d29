import { Refusals } from './refusals.js';
import { shareIsFull, type ShareBound, type ShareNames, type ShareOwner, type ShareState } from './share.js';

export interface PlacesOptions extends ShareNames {
  readonly most: number;
  readonly ofTenant: number;
  readonly ofOrg: number;
}

/**
 * A holder may have at most this many times the places that are still free. So each further large holder gets fewer, and
 * several of them still leave places to those who need few.
 */
const TIMES_FREE = 2;

/** Places that are taken or refused at once; there is no queue. */
export class Places implements ShareState {
  readonly waiting = 0;
  private readonly refusals = new Refusals();
  private held = 0;
  private readonly ofTenants = new Map<string, number>();
  private readonly ofOrgs = new Map<string, number>();

  constructor(private readonly options: PlacesOptions) {}

  get most(): number {
    return this.options.most;
  }

  get taken(): number {
    return this.held;
  }

  get refused(): number {
    return this.refusals.count;
  }

  /** @throws Fault rate_limited, unavailable: no place is free now; takes none */
  assertRoom(owner: ShareOwner): void {
    const bound = this.boundReachedBy(owner);
    if (bound !== null) throw shareIsFull(bound, this.options, this.refusals.add(owner.tenantId));
  }

  /** @throws Fault rate_limited, unavailable: no place was taken */
  take(owner: ShareOwner): void {
    this.assertRoom(owner);
    this.add(owner);
  }

  /** @returns whether a place was taken */
  takeIfFree(owner: ShareOwner): boolean {
    if (this.boundReachedBy(owner) !== null) return false;
    this.add(owner);
    return true;
  }

  /** Gives back a place that was taken. */
  leave(owner: ShareOwner): void {
    this.held -= 1;
    addTo(this.ofTenants, owner.tenantId, -1);
    addTo(this.ofOrgs, owner.orgId, -1);
  }

  private add(owner: ShareOwner): void {
    this.held += 1;
    addTo(this.ofTenants, owner.tenantId, 1);
    addTo(this.ofOrgs, owner.orgId, 1);
  }

  private boundReachedBy({ tenantId, orgId }: ShareOwner): ShareBound | null {
    const { most, ofTenant, ofOrg } = this.options;
    const free = most - this.held;
    if (free <= 0) return 'all';
    if ((this.ofTenants.get(tenantId) ?? 0) >= Math.min(ofTenant, free * TIMES_FREE)) return 'tenant';
    if ((this.ofOrgs.get(orgId) ?? 0) >= Math.min(ofOrg, free * TIMES_FREE)) return 'org';
    return null;
  }
}

function addTo(counts: Map<string, number>, owner: string, count: number): void {
  const now = (counts.get(owner) ?? 0) + count;
  if (now === 0) counts.delete(owner);
  else counts.set(owner, now);
}
