import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Budget, RequestOf } from '../../api/types.js';
import { formatAgo } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Confirm, Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { SelectField, TextField, textOf } from '../../kit/fields.js';
import { Empty, Meter, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';
import { amountOf, formatAmount } from '../humans/amounts.js';

type Body = RequestOf<'/api/v1/budgets/set'>;

const TYPES = ['cost_micros', 'token_cnt', 'request_cnt'] as const satisfies readonly Body['type'][];
const PERIODS = ['MONTH', 'WEEK', 'DAY', 'HOUR', 'MINUTE', 'NONE'] as const;
const NEAR = 0.8;

/** What the tenant as a whole may use. */
export function Budgets() {
  const may = useMay();
  const [setting, setSetting] = useState(false);
  const [removing, setRemoving] = useState<Budget | null>(null);
  const mayWrite = may('POST /api/v1/budgets/set');
  const pages = usePages<Budget>(['budgets', 'tenant'], async (pageToken, signal) => {
    const body = { holder: { tenant: true }, pageToken };
    const { budgets, nextPageToken } = await answerOf(api.POST('/api/v1/budgets/list', { body, signal }));
    return { rows: budgets, nextPageToken };
  });
  return (
    <Panel label={m.settings.budgets}>
      <PanelHead
        title={m.settings.budgets}
        lead={m.settings.budgetsLead}
        actions={
          mayWrite ? (
            <Button icon="plus" onClick={() => setSetting(true)}>
              {m.settings.addBudget}
            </Button>
          ) : null
        }
      />
      <List
        label={m.settings.budgets}
        pages={pages}
        keyOf={({ budgetId }) => budgetId}
        empty={
          <Empty icon="gauge" title={m.settings.noBudgets}>
            {m.settings.noBudgetsHint}
          </Empty>
        }
        columns={[
          {
            head: m.settings.budgetType,
            cell: ({ type, models }) => (
              <>
                <span className="font-medium">{m.limitTypes[type] ?? type}</span>
                {models.length === 0 ? null : <span className="block text-xs text-faint">{models.join(', ')}</span>}
              </>
            ),
          },
          { head: m.settings.budgetPeriod, cell: ({ period }) => m.settings.periods[period] ?? period },
          {
            head: m.settings.budgetLimit,
            className: 'min-w-56',
            cell: (budget) => <Used of={budget} />,
          },
        ]}
        {...(mayWrite
          ? {
              actions: (budget: Budget) => (
                <Button size="small" look="ghost" onClick={() => setRemoving(budget)}>
                  {m.settings.removeBudget}
                </Button>
              ),
            }
          : {})}
      />
      {setting ? <SetBudget onClose={() => setSetting(false)} /> : null}
      {removing === null ? null : <RemoveBudget of={removing} onClose={() => setRemoving(null)} />}
    </Panel>
  );
}

function Used({ of: { type, used, limit, resetsAt } }: { of: Budget }) {
  const share = Number(limit) === 0 ? 1 : Number(used) / Number(limit);
  return (
    <div className="grid w-full gap-1.5">
      <span className="num text-[13px]">
        {m.settings.usedOf(formatAmount(type, used), formatAmount(type, limit))}
        {resetsAt === undefined ? null : (
          <span className="text-faint"> · {m.settings.resets(formatAgo(resetsAt))}</span>
        )}
      </span>
      <Meter share={share} tone={share >= 1 ? 'bad' : share >= NEAR ? 'warn' : 'accent'} />
    </div>
  );
}

function SetBudget({ onClose }: { onClose: () => void }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const [type, setType] = useState<Body['type']>('cost_micros');
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/budgets/set', { body, headers: keys.of(body) })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['budgets'] });
    },
  });
  const errors = faultsByField(save.error);
  return (
    <Modal open title={m.settings.addBudget} lead={m.settings.budgetsLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const period = PERIODS.find((one) => one === textOf(form, 'period')) ?? 'MONTH';
          const limit = String(amountOf(type, textOf(form, 'limit')));
          save.mutate({ holder: { tenant: true }, type, period, limit });
        }}
      >
        <ModalBody>
          <div className="grid gap-4 sm:grid-cols-2">
            <SelectField
              name="type"
              label={m.settings.budgetType}
              options={TYPES.map((one) => [one, m.limitTypes[one] ?? one])}
              defaultValue={type}
              onChange={(event) => setType(TYPES.find((one) => one === event.target.value) ?? 'cost_micros')}
            />
            <SelectField
              name="period"
              label={m.settings.budgetPeriod}
              options={PERIODS.map((one) => [one, m.settings.periods[one] ?? one])}
              defaultValue="MONTH"
            />
          </div>
          <TextField
            name="limit"
            label={type === 'cost_micros' ? m.settings.budgetLimitCost : m.settings.budgetLimit}
            type="number"
            min={0}
            step="any"
            required
            inputMode="decimal"
          />
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.settings.addBudget}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}

function RemoveBudget({ of, onClose }: { of: Budget; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const remove = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/budgets/delete', { body: { budgetId: of.budgetId } })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['budgets'] });
    },
  });
  return (
    <Confirm
      open
      title={m.settings.removeBudgetTitle}
      action={m.settings.removeBudget}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>{m.settings.removeBudgetLead}</p>
    </Confirm>
  );
}
