export interface PacedLineOptions {
  readonly perSecond: number;
  /** How many wait at once. */
  readonly waiting: number;
}

/** Who waits. Groups take turns, and within a group its members. */
export interface LineOwner {
  readonly group: string;
  readonly member: string;
}

/** Work that waits in line; it leaves by its own wish before its turn comes. */
interface InLine {
  leave(): void;
}

/** The pace holds within each so many milliseconds: so much of a second's work comes at once, and no more. */
const SMOOTH_MS = 20;
const TICK_MS = 5;
/** So that no member, and no group with all its members, fills the line. */
const PART_OF_MEMBER = 1 / 4;
const PART_OF_GROUP = 1 / 2;
/** A member and a group have at most this many times the places that are still free. */
const TIMES_FREE = 2;

/**
 * Work at a bounded pace: what comes slower than that begins at once; what comes faster waits in line. Turns go to group after
 * group, and within a group to member after member, so that who has little work waits for one turn of each other, however much
 * the others have in line.
 */
export class PacedLine {
  /** How many wait now. */
  waiting = 0;
  /** Since the start. */
  delayed = 0;
  refused = 0;
  private readonly groups = new Round<Group>((name) => new Group(name));
  private readonly mostAtOnce: number;
  private turns: number;
  private countedAtMs: number;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly options: PacedLineOptions,
    private readonly nowMs: () => number = () => performance.now(),
  ) {
    this.mostAtOnce = Math.max(1, (options.perSecond * SMOOTH_MS) / 1_000);
    this.turns = this.mostAtOnce;
    this.countedAtMs = this.nowMs();
  }

  /** @returns whether the work may begin at once; then it took a turn */
  take(): boolean {
    if (this.waiting > 0) return false;
    if (this.turns < 1) this.count();
    if (this.turns < 1) return false;
    this.turns -= 1;
    return true;
  }

  /** For work that was not what the pace is for. */
  giveBack(): void {
    this.turns = Math.min(this.mostAtOnce, this.turns + 1);
  }

  /**
   * Waits for a turn.
   *
   * @param begin must not throw
   * @returns null: the owner has as many in line as may be; then `begin` is never called
   */
  wait(owner: LineOwner, begin: () => void): InLine | null {
    const group = this.groups.get(owner.group);
    const member = group.members.get(owner.member);
    if (!this.hasRoom(group, member)) {
      this.refused += 1;
      return null;
    }
    const place: Place = { begin };
    this.groups.add(group);
    group.members.add(member);
    member.places.push(place);
    this.addTo(group, member, 1);
    this.delayed += 1;
    this.timer ??= setTimeout(() => this.tick(), TICK_MS);
    return {
      leave: () => {
        if (place.begin === null) return;
        place.begin = null;
        this.addTo(group, member, -1);
        if (this.waiting === 0) this.groups.clear();
      },
    };
  }

  /** Gives everyone who waits a turn now. */
  releaseAll(): void {
    while (this.serveOne());
  }

  private hasRoom(group: Group, member: Member): boolean {
    const { waiting } = this.options;
    const free = waiting - this.waiting;
    return (
      member.waiting < Math.min(waiting * PART_OF_MEMBER, free * TIMES_FREE) &&
      group.waiting < Math.min(waiting * PART_OF_GROUP, free * TIMES_FREE)
    );
  }

  private tick(): void {
    this.timer = null;
    this.count();
    while (this.turns >= 1 && this.serveOne()) this.turns -= 1;
    if (this.waiting > 0) this.timer = setTimeout(() => this.tick(), TICK_MS);
  }

  private count(): void {
    const nowMs = this.nowMs();
    const grown = ((nowMs - this.countedAtMs) * this.options.perSecond) / 1_000;
    this.turns = Math.min(this.mostAtOnce, this.turns + grown);
    this.countedAtMs = nowMs;
  }

  private serveOne(): boolean {
    const served = this.groups.next((group) =>
      group.members.next((member) => {
        const begin = member.next();
        if (begin !== null) this.addTo(group, member, -1);
        return begin;
      }),
    );
    served?.();
    return served !== null;
  }

  private addTo(group: Group, member: Member, count: 1 | -1): void {
    this.waiting += count;
    group.waiting += count;
    member.waiting += count;
  }
}

interface Place {
  /** Null: it has begun, or left. */
  begin: (() => void) | null;
}

interface Part {
  readonly name: string;
  waiting: number;
}

/** Those of one member, in the order in which they came. */
class Member implements Part {
  waiting = 0;
  readonly places: Place[] = [];

  constructor(readonly name: string) {}

  next(): (() => void) | null {
    for (let place = this.places.shift(); place !== undefined; place = this.places.shift()) {
      const { begin } = place;
      place.begin = null;
      if (begin !== null) return begin;
    }
    return null;
  }
}

class Group implements Part {
  waiting = 0;
  readonly members = new Round<Member>((name) => new Member(name));

  constructor(readonly name: string) {}
}

/** Parts that take turns. Holds those alone of which some wait. */
class Round<One extends Part> {
  private readonly byName = new Map<string, One>();
  private order: One[] = [];

  constructor(private readonly make: (name: string) => One) {}

  get(name: string): One {
    return this.byName.get(name) ?? this.make(name);
  }

  add(part: One): void {
    if (this.byName.has(part.name)) return;
    this.byName.set(part.name, part);
    this.order.push(part);
  }

  clear(): void {
    this.byName.clear();
    this.order = [];
  }

  /** What the first gives that has any; it goes to the end then. */
  next(serve: (part: One) => (() => void) | null): (() => void) | null {
    for (let part = this.order.shift(); part !== undefined; part = this.order.shift()) {
      const served = serve(part);
      if (part.waiting > 0) this.order.push(part);
      else this.byName.delete(part.name);
      if (served !== null) return served;
    }
    return null;
  }
}
