import { apiErrorOf } from '../api/api-error.js';

export interface FirebaseConfig {
  readonly apiKey: string;
  readonly projectId: string;
  readonly session: 'memory' | 'tab';
  readonly google?: { readonly clientId: string; readonly mode: 'redirect' | 'popup' };
}

export interface OidcConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly scopes: string;
  readonly token: 'id' | 'access';
  readonly session: 'memory' | 'tab';
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly endSessionEndpoint?: string;
  readonly revocationEndpoint?: string;
  readonly namesIssuer: boolean;
}

/** The ways to sign in, as the service reports them. */
export interface DashboardConfig {
  readonly version: string;
  readonly development: boolean;
  readonly firebase?: FirebaseConfig;
  readonly oidc?: OidcConfig;
}

let loading: Promise<DashboardConfig> | null = null;

export function loadConfig(): Promise<DashboardConfig> {
  loading ??= fetchConfig().catch((error: unknown) => {
    loading = null;
    throw error;
  });
  return loading;
}

async function fetchConfig(): Promise<DashboardConfig> {
  const response = await fetch('/dashboard/config.json');
  if (!response.ok) throw await apiErrorOf(response);
  return (await response.json()) as DashboardConfig;
}
