/** The dashboard's issuer, as far as claims go, at the test's command. */
import { ClaimsWriter, type DashboardClaims } from '../../src/signin/index.js';

export class RecordingClaimsWriter extends ClaimsWriter {
  readonly written: [userId: string, claims: DashboardClaims | null][] = [];
  tries = 0;
  /** What the issuer does with a write: nothing is taking it, an error is refusing it. */
  act: () => Promise<void> = () => Promise.resolve();

  async setClaims(userId: string, claims: DashboardClaims | null): Promise<void> {
    this.tries += 1;
    await this.act();
    this.written.push([userId, claims]);
  }
}
