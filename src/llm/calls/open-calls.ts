/** What can be kept in `OpenCalls`; it knows its place there. */
export interface Placed {
  /** Written by `OpenCalls` alone. */
  place: number;
}

/**
 * The calls that are open now, in no order.
 *
 * Not a Set: as members come and go, V8 gives a Set one new table after the other, and each old table points to the next
 * one and to all that it held. Once one of them is in the old space, it keeps every later table alive until the next full
 * collection, and with it the calls, bodies and sockets that the table held.
 */
export class OpenCalls<Call extends Placed> {
  private readonly calls: Call[] = [];

  add(call: Call): void {
    call.place = this.calls.push(call) - 1;
  }

  /** Takes out a call that was added and not taken out since. */
  delete(call: Call): void {
    const last = this.calls.pop();
    if (last === undefined || last === call) return;
    this.calls[call.place] = last;
    last.place = call.place;
  }

  /** A copy, since ending a call takes it out. */
  all(): readonly Call[] {
    return [...this.calls];
  }
}
