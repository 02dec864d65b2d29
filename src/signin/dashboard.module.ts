import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { ClaimsWriter } from './claims-writer.js';
import { DASHBOARD_ISSUERS, type DashboardIssuer } from './dashboard.strategy.js';

type Factory<T> = Pick<FactoryProvider<T>, 'inject' | 'useFactory'>;

export interface DashboardParts {
  readonly issuers: Factory<readonly DashboardIssuer[]>;
  readonly claimsWriter: Factory<ClaimsWriter>;
}

/** Whose tokens the dashboard takes, and who writes claims into them; the mode decides. */
@Module({})
export class DashboardModule {
  static register({ issuers, claimsWriter }: DashboardParts): DynamicModule {
    return {
      module: DashboardModule,
      global: true,
      providers: [
        { provide: DASHBOARD_ISSUERS, ...issuers },
        { provide: ClaimsWriter, ...claimsWriter },
      ],
      exports: [DASHBOARD_ISSUERS, ClaimsWriter],
    };
  }
}
