/** Waits are spread over at least so many seconds, by chance: who is refused together must not come again together. */
const LEAST_SECONDS = 3;
const MOST_SECONDS = 15;
/** For each so many refusals of a tenant within a second the spread grows by one. */
const REFUSALS_PER_SECOND = 10;

/** The refusals of one share, and when those who were refused may come again: the more of a tenant, the later. */
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
