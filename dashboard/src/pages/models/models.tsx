import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { ModelProvider, Route } from '../../api/types.js';
import { formatDay } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { messageOf } from '../../kit/fault.js';
import { Badge, Empty, PageHead, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { KINDS } from '../gateways/create-gateway.js';
import { AddProvider } from './add-provider.js';
import { ModelsPanel } from './models-panel.js';

export default function Models() {
  return (
    <>
      <PageHead title={m.models.title} lead={m.models.lead} />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
        <Providers />
        <Routes />
        <ModelsPanel />
      </div>
    </>
  );
}

function Providers() {
  const may = useMay();
  const announce = useAnnounce();
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<ModelProvider | null>(null);
  const kindOf = new Map<string, string>(KINDS);
  const mayWrite = may('POST /api/v1/llm/providers/create');
  const pages = usePages<ModelProvider>(['providers'], async (pageToken, signal) => {
    const body = { pageToken };
    const { providers, nextPageToken } = await answerOf(api.POST('/api/v1/llm/providers/list', { body, signal }));
    return { rows: providers, nextPageToken };
  });
  const test = useMutation({
    mutationFn: async ({ providerId, name }: ModelProvider) => {
      const { ok, message } = await answerOf(api.POST('/api/v1/llm/providers/test', { body: { providerId } }));
      return ok ? m.models.testOk(name) : m.models.testFailed(name, message);
    },
    onSuccess: announce,
    onError: (error) => announce(messageOf(error)),
  });
  return (
    <Panel label={m.models.providers}>
      <PanelHead
        title={m.models.providers}
        actions={
          mayWrite ? (
            <Button look="primary" icon="plus" onClick={() => setAdding(true)}>
              {m.models.addProvider}
            </Button>
          ) : null
        }
      />
      <List
        label={m.models.providers}
        pages={pages}
        keyOf={({ providerId }) => providerId}
        empty={
          <Empty icon="server" title={m.models.noProviders}>
            {m.models.noProvidersHint}
          </Empty>
        }
        columns={[
          {
            head: m.models.name,
            className: 'max-w-64',
            cell: ({ name, kind, baseUrl }) => (
              <>
                <span className="block truncate font-medium">{name}</span>
                <span className="block truncate text-xs text-faint">{baseUrl ?? kindOf.get(kind) ?? kind}</span>
              </>
            ),
          },
          {
            head: m.models.credentials,
            cell: ({ credentialsSetAt }) => (
              <span className="text-soft">
                {credentialsSetAt === undefined
                  ? m.models.noCredentials
                  : m.models.credentialsSet(formatDay(credentialsSetAt))}
              </span>
            ),
          },
          {
            head: m.models.status,
            cell: ({ status }) => (
              <Badge tone={status === 'ENABLED' ? 'good' : 'plain'}>
                {status === 'ENABLED' ? m.models.enabled : m.models.disabled}
              </Badge>
            ),
          },
        ]}
        {...(mayWrite
          ? {
              actions: (provider: ModelProvider) => (
                <span className="inline-flex gap-1">
                  <Button
                    size="small"
                    look="ghost"
                    busy={test.isPending && test.variables.providerId === provider.providerId}
                    onClick={() => test.mutate(provider)}
                  >
                    {m.models.test}
                  </Button>
                  <Button size="small" look="ghost" onClick={() => setRemoving(provider)}>
                    {m.models.remove}
                  </Button>
                </span>
              ),
            }
          : {})}
      />
      {adding ? <AddProvider onClose={() => setAdding(false)} /> : null}
      {removing === null ? null : (
        <ConfirmAction
          title={m.models.removeTitle(removing.name)}
          action={m.models.remove}
          done={m.kit.saved}
          stale={['providers']}
          run={() => answerOf(api.POST('/api/v1/llm/providers/delete', { body: { providerId: removing.providerId } }))}
          onClose={() => setRemoving(null)}
        >
          <p>{m.models.removeLead}</p>
        </ConfirmAction>
      )}
    </Panel>
  );
}

function Routes() {
  const pages = usePages<Route>(['routes'], async (pageToken, signal) => {
    const { routes, nextPageToken } = await answerOf(
      api.POST('/api/v1/llm/routes/list', { body: { pageToken }, signal }),
    );
    return { rows: routes, nextPageToken };
  });
  return (
    <Panel label={m.models.routes}>
      <PanelHead title={m.models.routes} />
      <List
        label={m.models.routes}
        pages={pages}
        keyOf={({ routeId }) => routeId}
        empty={
          <Empty icon="route" title={m.models.noRoutes}>
            {m.models.noRoutesHint}
          </Empty>
        }
        columns={[
          { head: m.models.name, cell: ({ name }) => <span className="font-medium">{name}</span> },
          { head: m.models.strategy, cell: ({ strategy }) => m.models.strategies[strategy] ?? strategy },
          { head: m.models.targets, cell: ({ targets }) => targets.map(({ model }) => model).join(', ') },
        ]}
      />
    </Panel>
  );
}
