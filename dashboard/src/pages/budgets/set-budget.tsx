import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { RequestOf } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { listOf, More, SelectField, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { amountOf } from './amounts.js';

type Body = RequestOf<'/api/v1/budgets/set'>;
export type Holder = Body['holder'];

const TYPES = ['cost_micros', 'token_cnt', 'request_cnt'] as const satisfies readonly Body['type'][];
const PERIODS = ['MONTH', 'WEEK', 'DAY', 'HOUR', 'MINUTE', 'NONE'] as const;

interface SetBudgetProps {
  readonly holder: Holder;
  readonly lead: string;
  readonly onClose: () => void;
}

export function SetBudget({ holder, lead, onClose }: SetBudgetProps) {
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
    <Modal open title={m.budgets.add} lead={lead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const period = PERIODS.find((one) => one === textOf(form, 'period')) ?? 'MONTH';
          const limit = String(amountOf(type, textOf(form, 'limit')));
          const models = listOf(textOf(form, 'models'));
          const alerts = listOf(textOf(form, 'alertAtPercent')).map(Number);
          const alertAtPercent = alerts.length === 0 ? {} : { alertAtPercent: alerts };
          save.mutate({ holder, type, period, limit, models, ...alertAtPercent });
        }}
      >
        <ModalBody>
          <div className="grid gap-4 sm:grid-cols-2">
            <SelectField
              name="type"
              label={m.budgets.type}
              options={TYPES.map((one) => [one, m.limitTypes[one] ?? one])}
              defaultValue={type}
              onChange={(event) => setType(TYPES.find((one) => one === event.target.value) ?? 'cost_micros')}
            />
            <SelectField
              name="period"
              label={m.budgets.period}
              options={PERIODS.map((one) => [one, m.budgets.periods[one] ?? one])}
              defaultValue="MONTH"
            />
          </div>
          <TextField
            name="limit"
            label={type === 'cost_micros' ? m.budgets.limitCost : m.budgets.limit}
            type="number"
            min={0}
            step="any"
            required
            inputMode="decimal"
          />
          <More label={m.kit.moreFields} wrong={'models' in errors || 'alertAtPercent' in errors}>
            <TextField name="models" label={m.budgets.models} hint={m.budgets.modelsHint} />
            <TextField
              name="alertAtPercent"
              label={m.budgets.alerts}
              hint={m.budgets.alertsHint}
              inputMode="numeric"
              pattern="[0-9, ]*"
              placeholder="80"
            />
          </More>
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.budgets.add}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
