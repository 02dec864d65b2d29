import {
  ClaimsWriter,
  UnknownUserError,
  mergeClaims,
  type DashboardClaims,
  type FirebaseClaimsWriter,
} from '../signin/index.js';
import type { DevelopmentIssuer } from './development-issuer.js';

/**
 * Has the development issuer remember claims, as Firebase would; and Firebase too, where a development service was given
 * a project's account, since its users may then come from either.
 */
export class DevelopmentClaimsWriter extends ClaimsWriter {
  constructor(
    private readonly issuer: DevelopmentIssuer,
    private readonly firebase: FirebaseClaimsWriter | null = null,
  ) {
    super();
  }

  async setClaims(userId: string, claims: DashboardClaims | null): Promise<void> {
    await this.issuer.changeClaims(userId, (existing) => mergeClaims(existing, claims));
    try {
      await this.firebase?.setClaims(userId, claims);
    } catch (error) {
      // A user of the development issuer alone.
      if (!(error instanceof UnknownUserError)) throw error;
    }
  }
}
