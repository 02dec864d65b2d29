/** Waits are spread at random over at least so many seconds, so that callers refused together do not come back together. */
const LEAST_SECONDS = 3;
const MOST_SECONDS = 15;
/** The spread grows by a second for each so many refusals of a tenant within a second. */
const REFUSALS_PER_SECOND = 10;

/** Counts the refusals of one share and says when a refused tenant may try again: the more refusals, the later. */
export class Refusals {
  /** Since the start. */
  count = 0;
  private second = 0;
  /** Within this second. */
  private readonly ofTenants = new Map<string, number>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** @returns the seconds after which the tenant may try again */
  add(tenantId: string): number {
    this.count += 1;
    const second = Math.floor(this.nowMs() / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.ofTenants.clear();
    }
    const refused = (this.ofTenants.get(tenantId) ?? 0) + 1;
    this.ofTenants.set(tenantId, refused);
    const spread = Math.min(MOST_SECONDS, LEAST_SECONDS + Math.floor(refused / REFUSALS_PER_SECOND));
    return 1 + Math.floor(Math.random() * spread);
  }
}
