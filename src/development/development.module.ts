import { Module, type DynamicModule } from '@nestjs/common';
import type { Settings } from '../platform/config/index.js';
import { JwksKeyStore } from '../platform/crypto/index.js';
import { OutboundHttp } from '../platform/http/index.js';
import { DashboardModule, FirebaseClaimsWriter, firebaseIssuer, type DashboardIssuer } from '../tenancy/index.js';
import { DevelopmentClaimsWriter } from './development-claims-writer.js';
import { DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, DevelopmentIssuer } from './development-issuer.js';
import type { DevelopmentSecrets } from './development-secrets.js';
import { DevelopmentController } from './development.controller.js';

/** The development issuer and its route. */
@Module({})
export class DevelopmentModule {
  static register(issuer: DevelopmentIssuer): DynamicModule {
    return {
      module: DevelopmentModule,
      controllers: [DevelopmentController],
      providers: [{ provide: DevelopmentIssuer, useValue: issuer }],
      exports: [DevelopmentIssuer],
    };
  }
}

/** Development's sign-in: its own issuer, and Firebase beside it where a project is configured. */
export function developmentParts(
  settings: Settings,
  secrets: DevelopmentSecrets,
): { modules: readonly DynamicModule[] } {
  const issuer = new DevelopmentIssuer(settings.home, secrets.issuerKeyPem);
  return {
    modules: [
      DevelopmentModule.register(issuer),
      DashboardModule.register({
        issuers: {
          inject: [OutboundHttp],
          useFactory: (outbound: OutboundHttp) => dashboardIssuers(issuer, settings, outbound),
        },
        claimsWriter: { useFactory: () => new DevelopmentClaimsWriter(issuer, firebaseWriter(settings)) },
      }),
    ],
  };
}

/** The keys come straight from the issuer, not from its route: the service needn't call itself. */
export function developmentDashboardIssuer(issuer: DevelopmentIssuer): DashboardIssuer {
  return {
    name: 'development',
    issuer: DEVELOPMENT_ISSUER,
    audience: DEVELOPMENT_AUDIENCE,
    keys: new JwksKeyStore({ fetchJwks: () => Promise.resolve(issuer.jwks()), allowedAlgorithms: ['RS256'] }),
  };
}

function dashboardIssuers(
  issuer: DevelopmentIssuer,
  { firebaseProjectId: projectId, firebaseJwksUrl: jwksUrl }: Settings,
  outbound: OutboundHttp,
): readonly DashboardIssuer[] {
  const development = developmentDashboardIssuer(issuer);
  return projectId === undefined ? [development] : [development, firebaseIssuer({ projectId, jwksUrl }, outbound)];
}

function firebaseWriter({ firebaseProjectId, firebaseServiceAccount }: Settings): FirebaseClaimsWriter | null {
  if (firebaseProjectId === undefined || firebaseServiceAccount === undefined) return null;
  return new FirebaseClaimsWriter({ projectId: firebaseProjectId, serviceAccount: firebaseServiceAccount });
}
