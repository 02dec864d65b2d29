/**
 * Whose turn it is, by weights and not by chance: of any hundred turns in a row each gets its part, and turns of one are
 * spread between those of the others (nginx calls this smooth weighted round robin).
 */
export class WeightedTurns {
  private readonly credits: number[];
  private readonly sum: number;

  /** @param weights whole numbers of at least 0, one of them above it */
  constructor(private readonly weights: readonly number[]) {
    this.credits = weights.map(() => 0);
    this.sum = weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** The place of the next one. */
  next(): number {
    let best = -1;
    for (const [place, weight] of this.weights.entries()) {
      const credit = (this.credits[place] ?? 0) + weight;
      this.credits[place] = credit;
      if (weight > 0 && (best === -1 || credit > (this.credits[best] ?? 0))) best = place;
    }
    this.credits[best] = (this.credits[best] ?? 0) - this.sum;
    return best;
  }
}
