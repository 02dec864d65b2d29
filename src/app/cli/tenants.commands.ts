import { fields, print, show, table, type OutputOptions } from './command-output.js';
import { ServiceApi, type Caller } from './service-api.js';

interface TenantView {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly current: boolean;
}

type Options = OutputOptions & Caller;

export async function listTenants(options: Options & { readonly most: number }): Promise<void> {
  const tenants = await ServiceApi.use(options, (api) => api.list<TenantView>('tenants/list', 'tenants', options.most));
  show(options, { tenants }, () =>
    table(
      ['tenant id', 'name', 'made', 'yours now'],
      tenants.map(({ id, name, createdAt, current }) => [id, name, createdAt, current ? 'yes' : '']),
    ),
  );
}

export async function createTenant(name: string, options: Options): Promise<void> {
  const { tenant } = await ServiceApi.use(options, (api) =>
    api.post<{ tenant: TenantView }>('tenants/create', { name }),
  );
  show(options, tenant, () =>
    fields([
      ['Tenant', tenant.id],
      ['Name', tenant.name],
      ['Next', `\`gatehouse tenants switch ${tenant.id}\` makes it yours`],
    ]),
  );
}

export async function switchTenant(tenantId: string, options: Options): Promise<void> {
  const answer = await ServiceApi.use(options, (api) => api.post<object>('tenants/switch', { tenantId }));
  if (options.json) show(options, answer, () => '');
  else print(`Your next token is for ${tenantId}.`);
}

/** The service asks for the name once more, typed exactly. */
export async function deleteTenant(tenantId: string, options: Options & { readonly name: string }): Promise<void> {
  await ServiceApi.use(options, (api) => api.post('tenants/delete', { tenantId, name: options.name }));
  if (options.json) show(options, { deleted: tenantId }, () => '');
  else print(`${tenantId} is deleted, with all that it had.`);
}
