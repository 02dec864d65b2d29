/**
 * Turns by weights, without chance: of any hundred turns in a row each place gets its part, and turns of one place are
 * spread between those of the others (nginx calls this smooth weighted round robin). Where some places take no part in
 * a turn, the others share it by their weights.
 */
export class WeightedTurns {
  private readonly credits: number[];

  /** @param weights whole numbers of at least 0, one of them above it */
  constructor(private readonly weights: readonly number[]) {
    this.credits = weights.map(() => 0);
  }

  /** Which of these places is the next one; null: none of them has a weight. */
  next(places: readonly number[]): number | null {
    let best: number | null = null;
    let sum = 0;
    for (const place of places) {
      const weight = this.weights[place] ?? 0;
      const credit = (this.credits[place] ?? 0) + weight;
      this.credits[place] = credit;
      sum += weight;
      if (weight > 0 && (best === null || credit > (this.credits[best] ?? 0))) best = place;
    }
    if (best !== null) this.credits[best] = (this.credits[best] ?? 0) - sum;
    return best;
  }
}
