/** A reservation that is not settled yet. */
export interface OpenReservation {
  readonly reservedAtMs: number;
  readonly tenantId: string;
  /** The human whose budgets are charged besides the tenant's and the key's; null: no human. */
  readonly human: string | null;
}

/** How many reservations go into one map: a busy service's calls of about a second. */
const PER_MAP = 4_096;

/**
 * The open reservations of this process by id, oldest first.
 *
 * A single Map would leak: as entries come and go, V8 replaces its table, and each old table points to the next. Once one is in
 * the old space, it keeps all later tables and their entries until a full collection. A new Map now and then ends that chain.
 */
export class OpenReservations {
  private filled: Map<string, OpenReservation>[] = [];
  private newest = new Map<string, OpenReservation>();
  private written = 0;

  set(id: string, reservation: OpenReservation): void {
    if (this.written === PER_MAP) {
      if (this.newest.size > 0) this.filled.push(this.newest);
      this.newest = new Map();
      this.written = 0;
    }
    this.written += 1;
    this.newest.set(id, reservation);
  }

  get(id: string): OpenReservation | undefined {
    const found = this.newest.get(id);
    if (found !== undefined) return found;
    for (const map of this.filled) {
      const older = map.get(id);
      if (older !== undefined) return older;
    }
    return undefined;
  }

  delete(id: string): void {
    if (this.newest.delete(id)) return;
    for (const map of this.filled) {
      if (!map.delete(id)) continue;
      if (map.size === 0) this.filled = this.filled.filter((other) => other !== map);
      return;
    }
  }

  /** The oldest open reservation; null: none is open. */
  get oldest(): OpenReservation | null {
    for (const map of this.filled) for (const reservation of map.values()) return reservation;
    for (const reservation of this.newest.values()) return reservation;
    return null;
  }
}
