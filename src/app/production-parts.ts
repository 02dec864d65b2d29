import type { Settings } from '../platform/config/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import {
  DashboardModule,
  FirebaseAdmin,
  FirebaseAdminModule,
  FirebaseClaimsWriter,
  firebaseAccounts,
  firebaseIssuer,
  type FirebaseAdminOptions,
} from '../signin/index.js';
import type { ModeParts } from './app.module.js';

/**
 * Production's sign-in: Firebase, and nothing else.
 *
 * @param connection how Google is reached, where that is not as from any machine
 */
export function productionParts(settings: Settings, connection: Pick<FirebaseAdminOptions, 'agent'> = {}): ModeParts {
  const { firebaseProjectId: projectId, firebaseServiceAccount: serviceAccount, firebaseJwksUrl: jwksUrl } = settings;
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
