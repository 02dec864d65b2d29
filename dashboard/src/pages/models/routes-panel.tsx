import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Route } from '../../api/types.js';
import { Button, IconButton } from '../../kit/button.js';
import { ConfirmAction } from '../../kit/confirm-action.js';
import { ActionMenu } from '../../kit/menu.js';
import { Empty, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { RouteDialog } from './route-dialog.js';

type Doing = { readonly kind: 'edit' | 'remove'; readonly route: Route };

export function RoutesPanel() {
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const [doing, setDoing] = useState<Doing | null>(null);
  const mayWrite = may('POST /api/v1/llm/routes/create');
  const pages = usePages<Route>(['routes'], async (pageToken, signal) => {
    const { routes, nextPageToken } = await answerOf(
      api.POST('/api/v1/llm/routes/list', { body: { pageToken }, signal }),
    );
    return { rows: routes, nextPageToken };
  });
  return (
    <Panel label={m.models.routes}>
      <PanelHead
        title={m.models.routes}
        actions={
          mayWrite ? (
            <Button icon="plus" onClick={() => setAdding(true)}>
              {m.models.addRoute}
            </Button>
          ) : null
        }
      />
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
          {
            head: m.models.targets,
            cell: ({ strategy, targets }) =>
              targets
                .map(({ model, weight }) => (strategy === 'WEIGHTED' ? `${model} (${weight})` : model))
                .join(strategy === 'WEIGHTED' ? ', ' : ' → '),
          },
        ]}
        {...(mayWrite
          ? {
              actions: (route: Route) => (
                <ActionMenu
                  trigger={<IconButton icon="ellipsis" label={m.kit.actionsFor(route.name)} />}
                  groups={[
                    {
                      entries: [
                        { label: m.models.edit, icon: 'pencil', onSelect: () => setDoing({ kind: 'edit', route }) },
                        {
                          label: m.models.remove,
                          icon: 'trash',
                          danger: true,
                          onSelect: () => setDoing({ kind: 'remove', route }),
                        },
                      ],
                    },
                  ]}
                />
              ),
            }
          : {})}
      />
      {adding ? <RouteDialog onClose={() => setAdding(false)} /> : null}
      {doing?.kind === 'edit' ? <RouteDialog of={doing.route} onClose={() => setDoing(null)} /> : null}
      {doing?.kind === 'remove' ? (
        <ConfirmAction
          title={m.models.removeRouteTitle(doing.route.name)}
          action={m.models.remove}
          done={m.kit.saved}
          stale={['routes']}
          run={() => answerOf(api.POST('/api/v1/llm/routes/delete', { body: { routeId: doing.route.routeId } }))}
          onClose={() => setDoing(null)}
        >
          <p>{m.models.removeRouteLead}</p>
        </ConfirmAction>
      ) : null}
    </Panel>
  );
}
