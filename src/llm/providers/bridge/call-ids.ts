/** The ids of one answer's tool calls. Each output names its call by the id, and a provider can give several the same one. */
export class CallIds {
  /** How many calls were given each id. */
  private readonly given = new Map<string, number>();

  /** @returns the provider's own id, or from the second call on the same with a number behind it */
  distinct(id: string): string {
    let count = this.given.get(id) ?? 0;
    if (count === 0) {
      this.given.set(id, 1);
      return id;
    }
    let numbered: string;
    do numbered = `${id}_${++count}`;
    while (this.given.has(numbered));
    this.given.set(id, count).set(numbered, 1);
    return numbered;
  }
}
