import { FirebaseClaimsWriter, firebaseIssuer, DashboardModule } from '../tenancy/index.js';
import type { Settings } from '../platform/config/index.js';
import { OutboundHttp } from '../platform/http/index.js';
import type { ModeParts } from './app.module.js';

/** Production's sign-in: Firebase, and nothing else. */
export function productionParts(settings: Settings): ModeParts {
  const { firebaseProjectId: projectId } = settings;
  if (projectId === undefined) throw new TypeError('Production settings are incomplete.');
  return {
    modules: [
      DashboardModule.register({
        issuers: {
          inject: [OutboundHttp],
          useFactory: (outbound: OutboundHttp) => [
            firebaseIssuer({ projectId, jwksUrl: settings.firebaseJwksUrl }, outbound),
          ],
        },
        claimsWriter: {
          useFactory: () => new FirebaseClaimsWriter({ projectId, serviceAccount: settings.firebaseServiceAccount }),
        },
      }),
    ],
  };
}
