import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { TenantModel } from '../../api/types.js';
import { formatCost, formatShort } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Badge, Empty, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';

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
            cell: ({ price }) =>
              price === undefined ? (
                <span className="text-warn">{m.models.noPrice}</span>
              ) : (
                <span title={m.models.asOf(price.asOf, price.source)}>{said(price.input)}</span>
              ),
          },
          {
            head: m.models.output,
            align: 'end',
            cell: ({ price }) => (price === undefined ? '' : said(price.output)),
          },
        ]}
        {...(may('POST /api/v1/llm/models/update')
          ? {
              actions: (model: TenantModel) => (
                <Button size="small" look="ghost" onClick={() => setPricing(model)}>
                  {m.models.setPrice}
                </Button>
              ),
            }
          : {})}
      />
      {pricing === null ? null : <Price of={pricing} onClose={() => setPricing(null)} />}
    </Panel>
  );
}

function Price({ of, onClose }: { of: TenantModel; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const done = async (): Promise<void> => {
    announce(m.kit.saved);
    onClose();
    await queryClient.invalidateQueries({ queryKey: ['models'] });
  };
  const save = useMutation({
    mutationFn: (price: { readonly input: string; readonly output: string; readonly cachedInput?: string }) =>
      answerOf(api.POST('/api/v1/llm/models/update', { body: { model: of.model, price } })),
    onSuccess: done,
  });
  const reset = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/llm/models/update', { body: { model: of.model, reset: true } })),
    onSuccess: done,
  });
  const errors = faultsByField(save.error);
  return (
    <Modal open title={m.models.priceTitle(of.model)} lead={m.models.priceLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const cachedInput = textOf(form, 'price.cachedInput');
          save.mutate({
            input: textOf(form, 'price.input'),
            output: textOf(form, 'price.output'),
            ...(cachedInput === '' ? {} : { cachedInput }),
          });
        }}
      >
        <ModalBody>
          <div className="grid grid-cols-2 gap-4">
            <TextField
              name="price.input"
              label={m.models.input}
              type="number"
              min={0}
              step="any"
              required
              defaultValue={of.price?.input}
            />
            <TextField
              name="price.output"
              label={m.models.output}
              type="number"
              min={0}
              step="any"
              required
              defaultValue={of.price?.output}
            />
          </div>
          <TextField
            name="price.cachedInput"
            label={m.models.cachedInput}
            hint={m.models.cachedInputHint}
            type="number"
            min={0}
            step="any"
            defaultValue={of.overridden ? of.price?.cachedInput : undefined}
          />
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          {of.overridden ? (
            <Button busy={reset.isPending} onClick={() => reset.mutate()} className="mr-auto">
              {m.models.resetPrice}
            </Button>
          ) : null}
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.models.setPrice}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
