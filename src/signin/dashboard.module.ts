import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { BrowserSignIn } from './browser-sign-in.js';
import { ClaimsWriter } from './claims-writer.js';
import { DASHBOARD_ISSUERS, type DashboardIssuer } from './dashboard.strategy.js';
import { OIDC_DASHBOARD_ISSUER, type OidcDashboardIssuer } from './oidc-dashboard.strategy.js';

type Factory<T> = Pick<FactoryProvider<T>, 'inject' | 'useFactory'>;

export interface DashboardParts {
  readonly issuers: Factory<readonly DashboardIssuer[]>;
  readonly claimsWriter: Factory<ClaimsWriter>;
  /** Absent: no issuer besides `issuers`. */
  readonly oidc?: Factory<OidcDashboardIssuer | null>;
  /** Absent: browsers don't sign in by such an issuer. */
  readonly browserSignIn?: Factory<BrowserSignIn | null>;
}

/** The issuers whose tokens the dashboard takes, and the writer of their claims; the mode decides. */
@Module({})
export class DashboardModule {
  static register({
    issuers,
    claimsWriter,
    oidc = { useFactory: () => null },
    browserSignIn = { useFactory: () => null },
  }: DashboardParts): DynamicModule {
    return {
      module: DashboardModule,
      global: true,
      providers: [
        { provide: DASHBOARD_ISSUERS, ...issuers },
        { provide: ClaimsWriter, ...claimsWriter },
        { provide: OIDC_DASHBOARD_ISSUER, ...oidc },
        { provide: BrowserSignIn, ...browserSignIn },
      ],
      exports: [DASHBOARD_ISSUERS, ClaimsWriter, OIDC_DASHBOARD_ISSUER, BrowserSignIn],
    };
  }
}
