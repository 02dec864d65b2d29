import type { Fault } from '../errors/index.js';
import { Refusals } from './refusals.js';
import { shareIsFull, type ShareBound, type ShareNames, type ShareOwner, type ShareState } from './share.js';

export interface FairTurnsOptions extends ShareNames {
  /** How many run at once: in all, of one tenant and of one org. */
  readonly most: number;
  readonly ofTenant: number;
  readonly ofOrg: number;
  /** How many of one tenant may wait; of one org four times as many. */
  readonly waitingOfTenant: number;
  readonly waitMs: number;
  /** While more than so many of a tenant wait, each of its turns is followed by a rest. Absent: there are no rests. */
  readonly restingFrom?: number;
}

/** A rest is so many times as long as the turn before it: a flood gets a quarter of what its tenant's turns could do. */
const TIMES_TURN = 3;
/** What takes longer holds up its own line already. */
const MOST_REST_MS = 100;

const WAITING_TENANTS_OF_ORG = 4;

interface Waiting {
  readonly begin: () => void;
  readonly timer: NodeJS.Timeout;
}

interface Tenant {
  /** Those that rest included. */
  running: number;
  waiting: Waiting[];
}

interface Org {
  /** Those that rest included. */
  running: number;
  waiting: number;
  /** In the order of their next turns. */
  readonly tenants: Map<string, Tenant>;
}

/**
 * Work that takes turns: a bounded number runs at once, with lower bounds for one tenant and one org; the rest waits, in
 * bounded number and time. Free turns go to org after org, and within an org to tenant after tenant. So another org waits for
 * one of an org's calls, however many of them wait.
 *
 * A tenant with a long line rests after each turn: short work, one turn after the other, would take all of the processor, for
 * which others wait too. The turn that rests is free for others.
 */
export class FairTurns implements ShareState {
  private readonly refusals = new Refusals();
  private running = 0;
  private inLine = 0;
  private atRest = 0;
  /** In the order of their next turns. */
  private readonly orgs = new Map<string, Org>();

  constructor(private readonly options: FairTurnsOptions) {}

  get most(): number {
    return this.options.most;
  }

  get taken(): number {
    return this.running;
  }

  get waiting(): number {
    return this.inLine;
  }

  get resting(): number {
    return this.atRest;
  }

  get refused(): number {
    return this.refusals.count;
  }

  /** @throws Fault rate_limited, unavailable: the work did not begin; whatever the work throws */
  async run<T>(owner: ShareOwner, work: () => Promise<T>): Promise<T> {
    const org = this.orgOf(owner);
    const tenant = tenantOf(org, owner);
    // Calls that wait while a turn is free have reached their tenant's or org's bound.
    if (tenant.waiting.length === 0 && this.boundReachedBy(org, tenant) === null) this.begin(owner, org, tenant);
    else await this.wait(owner, org, tenant);
    const begunAt = performance.now();
    try {
      return await work();
    } finally {
      this.running -= 1;
      if (tenant.waiting.length > (this.options.restingFrom ?? Infinity) && owner.isService !== true) {
        this.rest(performance.now() - begunAt, () => this.leave(owner, org, tenant));
        this.serveNext();
      } else this.leave(owner, org, tenant);
    }
  }

  private rest(turnMs: number, leave: () => void): void {
    this.atRest += 1;
    setTimeout(
      () => {
        this.atRest -= 1;
        leave();
      },
      Math.min(MOST_REST_MS, TIMES_TURN * turnMs),
    );
  }

  private leave(owner: ShareOwner, org: Org, tenant: Tenant): void {
    org.running -= 1;
    tenant.running -= 1;
    this.serveNext();
    this.forget(owner, org, tenant);
  }

  private begin({ tenantId, orgId }: ShareOwner, org: Org, tenant: Tenant): void {
    this.running += 1;
    org.running += 1;
    tenant.running += 1;
    // Deleting and setting again moves both to the end.
    org.tenants.delete(tenantId);
    org.tenants.set(tenantId, tenant);
    this.orgs.delete(orgId);
    this.orgs.set(orgId, org);
  }

  private async wait(owner: ShareOwner, org: Org, tenant: Tenant): Promise<void> {
    const { waitingOfTenant, waitMs } = this.options;
    if (tenant.waiting.length >= waitingOfTenant) throw this.refusal('tenant', owner);
    if (org.waiting >= waitingOfTenant * WAITING_TENANTS_OF_ORG) throw this.refusal('org', owner);
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        begin: resolve,
        timer: setTimeout(() => {
          tenant.waiting = tenant.waiting.filter((other) => other !== waiting);
          this.leaveLine(org);
          reject(this.refusal(this.boundReachedBy(org, tenant) ?? 'all', owner));
          this.forget(owner, org, tenant);
        }, waitMs).unref(),
      };
      tenant.waiting.push(waiting);
      org.waiting += 1;
      this.inLine += 1;
    });
  }

  private leaveLine(org: Org): void {
    org.waiting -= 1;
    this.inLine -= 1;
  }

  /** Gives away the turns that are free. */
  private serveNext(): void {
    while (this.inLine > 0 && this.running < this.options.most) if (!this.serveOne()) return;
  }

  private serveOne(): boolean {
    for (const [orgId, org] of this.orgs) {
      if (org.waiting === 0 || org.running >= this.options.ofOrg) continue;
      for (const [tenantId, tenant] of org.tenants) {
        if (tenant.running >= this.options.ofTenant) continue;
        const next = tenant.waiting.shift();
        if (next === undefined) continue;
        clearTimeout(next.timer);
        this.leaveLine(org);
        this.begin({ tenantId, orgId }, org, tenant);
        next.begin();
        return true;
      }
    }
    return false;
  }

  private boundReachedBy(org: Org, tenant: Tenant): ShareBound | null {
    if (tenant.running >= this.options.ofTenant) return 'tenant';
    if (org.running >= this.options.ofOrg) return 'org';
    return this.running >= this.options.most ? 'all' : null;
  }

  private refusal(bound: ShareBound, { tenantId }: ShareOwner): Fault {
    return shareIsFull(bound, this.options, this.refusals.add(tenantId));
  }

  private orgOf({ orgId }: ShareOwner): Org {
    let org = this.orgs.get(orgId);
    if (org === undefined) {
      org = { running: 0, waiting: 0, tenants: new Map() };
      this.orgs.set(orgId, org);
    }
    return org;
  }

  private forget({ tenantId, orgId }: ShareOwner, org: Org, tenant: Tenant): void {
    if (tenant.running === 0 && tenant.waiting.length === 0) org.tenants.delete(tenantId);
    if (org.tenants.size === 0) this.orgs.delete(orgId);
  }
}

function tenantOf(org: Org, { tenantId }: ShareOwner): Tenant {
  let tenant = org.tenants.get(tenantId);
  if (tenant === undefined) {
    tenant = { running: 0, waiting: [] };
    org.tenants.set(tenantId, tenant);
  }
  return tenant;
}
