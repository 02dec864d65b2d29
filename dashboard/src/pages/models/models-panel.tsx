import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { TenantModel } from '../../api/types.js';
import { formatCost, formatShort } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { Badge, Empty, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { PriceDialog } from './price-dialog.js';

const MICROS = 1_000_000;

/** Prices come as decimals, in dollars for a million tokens. */
const said = (price: string): string => m.models.perMillion(formatCost(Number(price) * MICROS));

/** Each model that calls of this tenant can name. */
export function ModelsPanel() {
  const may = useMay();
  const [pricing, setPricing] = useState<TenantModel | null>(null);
  const pages = usePages<TenantModel>(['models', 'list'], async (pageToken, signal) => {
    const { models, nextPageToken } = await answerOf(
      api.POST('/api/v1/llm/models/list', { body: { pageToken }, signal }),
    );
    return { rows: models, nextPageToken };
  });
  return (
    <Panel label={m.models.models}>
      <PanelHead title={m.models.models} />
      <List
        label={m.models.models}
        pages={pages}
        keyOf={({ model }) => model}
        empty={
          <Empty icon="cpu" title={m.models.noModels}>
            {m.models.noModelsHint}
          </Empty>
        }
        columns={[
          {
            head: m.models.model,
            className: 'max-w-72',
            cell: ({ model, targets, overridden }) => (
              <>
                <span className="block truncate font-medium">
                  {model} {overridden ? <Badge tone="accent">{m.models.ownPrice}</Badge> : null}
                </span>
                <span className="block truncate text-xs text-faint">
                  {targets.map(({ provider }) => provider).join(', ')}
                </span>
              </>
            ),
          },
          {
            head: m.models.context,
            align: 'end',
            cell: ({ contextTokens }) => (contextTokens === undefined ? '' : formatShort(contextTokens)),
          },
          {
            head: m.models.input,
            align: 'end',
            cell: (model) => <InputPrice of={model} />,
          },
          {
            head: m.models.output,
            align: 'end',
            cell: ({ price }) => (price === undefined ? '' : said(price.output)),
          },
        ]}
        {...(may('POST /api/v1/llm/models/update')
          ? {
              actions: (model: TenantModel) =>
                isRoute(model) ? null : (
                  <Button size="small" look="ghost" onClick={() => setPricing(model)}>
                    {m.models.setPrice}
                  </Button>
                ),
            }
          : {})}
      />
      {pricing === null ? null : <PriceDialog of={pricing} onClose={() => setPricing(null)} />}
    </Panel>
  );
}

/** A route's name, which leads to models of other names. */
const isRoute = ({ model, targets }: TenantModel): boolean => targets.some((target) => target.model !== model);

function InputPrice({ of }: { of: TenantModel }) {
  const { price } = of;
  if (price !== undefined) return <span title={m.models.asOf(price.asOf, price.source)}>{said(price.input)}</span>;
  if (isRoute(of)) return <span className="text-soft">{m.models.asTargets}</span>;
  return <span className="text-warn">{m.models.noPrice}</span>;
}
