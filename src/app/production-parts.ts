import type { Settings } from '../platform/config/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import {
  DashboardModule,
  FirebaseAdmin,
  FirebaseAdminModule,
  FirebaseClaimsWriter,
  NoClaimsWriter,
  browserSignIn,
  firebaseAccounts,
  firebaseIssuer,
  oidcDashboardIssuer,
  type FirebaseAdminOptions,
} from '../signin/index.js';
import type { ModeParts } from './app.module.js';

/**
 * Production's sign-in: Firebase or the OpenID Connect issuer that the operator named, and nothing else. Never both: users are
 * known by the subject alone, and one issuer's subject may be another's.
 *
 * @param connection how Google is reached, where that is not as from any machine
 */
export function productionParts(settings: Settings, connection: Pick<FirebaseAdminOptions, 'agent'> = {}): ModeParts {
  const { firebaseProjectId: projectId, firebaseServiceAccount: serviceAccount, firebaseJwksUrl: jwksUrl } = settings;
  const {
    dashboardOidcIssuer: issuer,
    dashboardOidcAudience: audience,
    dashboardOidcJwksUrl: jwksUri = null,
  } = settings;
  if (issuer !== undefined && audience !== undefined) {
    return {
      modules: [
        DashboardModule.register({
          issuers: { useFactory: () => [] },
          claimsWriter: { useFactory: () => new NoClaimsWriter() },
          oidc: {
            inject: [OutboundHttp],
            useFactory: (outbound: OutboundHttp) => oidcDashboardIssuer({ issuer, audience, jwksUri }, outbound),
          },
          browserSignIn: {
            inject: [OutboundHttp],
            useFactory: (outbound: OutboundHttp) => browserSignIn(settings, outbound),
          },
        }),
      ],
    };
  }
  if (projectId === undefined) throw new TypeError('Production settings are incomplete.');
  const firebase = new FirebaseAdmin({ projectId, serviceAccount, ...connection });
  return {
    modules: [
      FirebaseAdminModule.register(firebase),
      DashboardModule.register({
        issuers: {
          inject: [OutboundHttp],
          useFactory: (outbound: OutboundHttp) => [
            firebaseIssuer({ projectId, jwksUrl, accounts: firebaseAccounts(firebase, settings) }, outbound),
          ],
        },
        claimsWriter: { useFactory: () => new FirebaseClaimsWriter(firebase) },
      }),
    ],
  };
}
