import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DashboardUserPrincipal } from '../identity/index.js';
import { ApiKeyDirectory, KeysService, isSecretKey, plainly } from '../keys/index.js';
import { PlatformProviderTenants, ModelRouter } from '../llm/index.js';
import type { Settings } from '../platform/config/index.js';
import { Fault } from '../platform/errors/index.js';
import { MembershipDirectory } from '../signin/index.js';
import { OrgsService } from '../orgs/index.js';
import { END_USER_AUDIENCE, endUserIssuerAt } from './end-user-issuer.js';
import { readQuickstart, type Quickstart } from './quickstart-file.js';

/** The user who owns the first org. */
const DEVELOPMENT_OWNER = 'dev-owner';
const ORG_NAME = 'Quickstart';

/**
 * Sees to it that a first org, tenant and secret key exist, made by the same services that serve everybody, and prints
 * what to paste next. A key from an earlier start is used again while it is good.
 */
export async function quickstart(app: NestFastifyApplication, settings: Settings, baseUrl: string): Promise<void> {
  const file = path.join(settings.home, 'quickstart.json');
  const { tenantId, orgId, secretKey } = (await readUsable(app, file)) ?? (await make(app));
  app.get(PlatformProviderTenants).allow(tenantId);
  await write(file, { baseUrl, tenantId, orgId, secretKey });
  process.stdout.write(banner({ baseUrl, tenantId, orgId, secretKey }, await someModel(app, tenantId), file));
}

async function make(app: NestFastifyApplication): Promise<Omit<Quickstart, 'baseUrl'>> {
  const created = await app
    .get(OrgsService)
    .create(
      { userId: DEVELOPMENT_OWNER, email: 'dev-owner@example.com', hasTenant: false },
      { name: ORG_NAME, slug: '' },
    );
  const owner: DashboardUserPrincipal = {
    kind: 'dashboardUser',
    tenantId: created.tenant_id,
    userId: DEVELOPMENT_OWNER,
    role: 'owner',
    email: null,
    emailVerified: false,
  };
  const { key } = await app
    .get(KeysService)
    .create(owner, { name: 'Quickstart', description: 'Made by the first start.' }, plainly);
  return { tenantId: created.tenant_id, orgId: created.org_id, secretKey: key };
}

/** Null where there is no file, or where its key is not (or no longer) good in this database. */
async function readUsable(app: NestFastifyApplication, file: string): Promise<Omit<Quickstart, 'baseUrl'> | null> {
  const known = await readQuickstart(file);
  if (known === null || !isSecretKey(known.secretKey)) return null;
  try {
    const principal = await app.get(ApiKeyDirectory).authenticate(known.secretKey);
    const membership = await app.get(MembershipDirectory).find(principal.tenantId, DEVELOPMENT_OWNER);
    return principal.tenantId === known.tenantId && membership?.orgId === known.orgId ? known : null;
  } catch (error) {
    if (error instanceof Fault && error.kind === 'unauthenticated') return null;
    throw error;
  }
}

async function write(file: string, content: Quickstart): Promise<void> {
  const endUserIssuer = endUserIssuerAt(content.baseUrl);
  const written = { ...content, endUserIssuer, endUserAudience: END_USER_AUDIENCE };
  const fresh = `${file}.${randomBytes(4).toString('hex')}`;
  await writeFile(fresh, `${JSON.stringify(written, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, file);
}

async function someModel(app: NestFastifyApplication, tenantId: string): Promise<string> {
  const models = await app
    .get(ModelRouter)
    .listModels(tenantId)
    .catch(() => []);
  return models[0]?.id ?? 'gpt-4o-mini';
}

function banner({ baseUrl, tenantId, secretKey }: Quickstart, model: string, file: string): string {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] });
  return `
Gatehouse is ready, in DEVELOPMENT MODE: loopback only, generated secrets, a development issuer. Not for production.

  API        ${baseUrl}
  Dashboard  ${baseUrl}/dashboard
  Docs       ${baseUrl}/docs
  Tenant     ${tenantId}
  Key        ${secretKey}

Try it:

  curl ${baseUrl}/v1/chat/completions \\
    -H 'Authorization: Bearer ${secretKey}' \\
    -H 'Content-Type: application/json' \\
    -d '${body.replaceAll("'", "'\\''")}'

A dashboard token:  npm run -s token -- --user ${DEVELOPMENT_OWNER}
An end user's:      npm run -s token -- --end-user ann
For scripts:        ${path.relative(process.cwd(), file) || file}

`;
}
