/** The dashboard's issuer, reduced to its claims and controlled by the test. */
import { ClaimsWriter, type DashboardClaims } from '../../src/signin/index.js';

export class RecordingClaimsWriter extends ClaimsWriter {
  readonly written: [userId: string, claims: DashboardClaims | null][] = [];
  tries = 0;
  /** The issuer's reaction to a write: success, or an error as a refusal. */
  act: () => Promise<void> = () => Promise.resolve();

  async setClaims(userId: string, claims: DashboardClaims | null): Promise<void> {
    this.tries += 1;
    await this.act();
    this.written.push([userId, claims]);
  }
}
