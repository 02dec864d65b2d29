import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay, useMe } from '../../api/may.js';
import { Await } from '../../kit/fault.js';
import { PageHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { loadConfig } from '../../session/config.js';
import { Budgets } from '../budgets/budgets.js';
import { Danger } from './danger.js';
import { OrgPanel } from './org-panel.js';
import { TenantDefaults } from './tenant-defaults.js';
import { TenantsPanel } from './tenants-panel.js';

export default function Settings() {
  const me = useMe();
  const may = useMay();
  const tenant = useQuery({
    queryKey: ['tenants', 'one', me.tenantId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/tenants/get', { body: { tenantId: me.tenantId ?? '' }, signal }))).tenant,
  });
  return (
    <>
      <PageHead title={m.settings.title} lead={m.settings.lead} />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        <OrgPanel />
        <TenantsPanel />
        <Await query={tenant}>{tenant.data === undefined ? null : <TenantDefaults of={tenant.data} />}</Await>
        {may('POST /api/v1/budgets/list') ? <Budgets holder={{ tenant: true }} lead={m.settings.budgetsLead} /> : null}
        {may('POST /api/v1/tenants/delete') ? <Danger /> : null}
        <Version />
      </div>
    </>
  );
}

function Version() {
  const [version, setVersion] = useState('');
  useEffect(() => {
    void loadConfig().then((config) => setVersion(config.version));
  }, []);
  return <p className="text-xs text-faint">{version === '' ? '' : m.settings.version(version)}</p>;
}
