import { Module, type DynamicModule } from '@nestjs/common';
import type { Settings } from '../platform/config/index.js';
import { JwksKeyStore } from '../platform/crypto/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import {
  DashboardModule,
  FirebaseAdmin,
  FirebaseAdminModule,
  FirebaseClaimsWriter,
  firebaseAccounts,
  firebaseIssuer,
  type DashboardIssuer,
} from '../signin/index.js';
import { DashboardDoorController } from './dashboard-door.controller.js';
import { DevelopmentClaimsWriter } from './development-claims-writer.js';
import { DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER, DevelopmentIssuer } from './development-issuer.js';
import type { DevelopmentSecrets } from './development-secrets.js';
import { DevelopmentController } from './development.controller.js';
import { EndUserIssuerController } from './end-user-issuer.controller.js';

/** The development issuer and its route. */
@Module({})
export class DevelopmentModule {
  static register(issuer: DevelopmentIssuer): DynamicModule {
    return {
      module: DevelopmentModule,
      controllers: [DevelopmentController, EndUserIssuerController, DashboardDoorController],
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
  const firebase = firebaseAdmin(settings);
  return {
    modules: [
      DevelopmentModule.register(issuer),
      ...(firebase === null ? [] : [FirebaseAdminModule.register(firebase)]),
      DashboardModule.register({
        issuers: {
          inject: [OutboundHttp],
          useFactory: (outbound: OutboundHttp) => dashboardIssuers(issuer, settings, firebase, outbound),
        },
        claimsWriter: {
          useFactory: () =>
            new DevelopmentClaimsWriter(issuer, firebase === null ? null : new FirebaseClaimsWriter(firebase)),
        },
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
  settings: Settings,
  firebase: FirebaseAdmin | null,
  outbound: OutboundHttp,
): readonly DashboardIssuer[] {
  const development = developmentDashboardIssuer(issuer);
  const { firebaseProjectId: projectId, firebaseJwksUrl: jwksUrl } = settings;
  if (projectId === undefined) return [development];
  const accounts = firebase === null ? {} : { accounts: firebaseAccounts(firebase, settings) };
  return [development, firebaseIssuer({ projectId, jwksUrl, ...accounts }, outbound)];
}

/** null: no account to ask Firebase with. */
function firebaseAdmin({ firebaseProjectId: projectId, firebaseServiceAccount }: Settings): FirebaseAdmin | null {
  if (projectId === undefined || firebaseServiceAccount === undefined) return null;
  return new FirebaseAdmin({ projectId, serviceAccount: firebaseServiceAccount });
}
