import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { answerOf, api } from '../../api/client.js';
import type { Human, RequestOf } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { amountOf, typedOf } from '../budgets/amounts.js';

type Body = RequestOf<'/api/v1/humans/upsert'>;
type LimitType = Human['limits'][number]['type'];

const TYPES = [
  'token_cnt',
  'request_cnt',
  'cost_micros',
  'conversational_seconds',
  'voice_synthesis_seconds',
  'memory_message_cnt',
] as const satisfies readonly LimitType[];

/** Sets a human's limits. Only changed limits are sent, since the others fall while the form is open. */
export function HumanLimits({ of, onClose }: { of: Human; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const shown = new Map(of.limits.map(({ type, value }) => [type, typedOf(type, value)]));
  const save = useMutation({
    mutationFn: (body: Body) => answerOf(api.POST('/api/v1/humans/upsert', { body })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['humans'] });
    },
  });
  return (
    <Modal open title={m.humans.limitsTitle(of.human)} lead={m.humans.limitsLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const changed = TYPES.map((type) => [type, textOf(form, type)] as const).filter(
            ([type, typed]) => typed !== (shown.get(type) ?? ''),
          );
          save.mutate({
            human: of.human,
            limits: changed
              .filter(([, typed]) => typed !== '')
              .map(([type, typed]) => ({ type, value: amountOf(type, typed) })),
            removeLimits: changed.filter(([, typed]) => typed === '').map(([type]) => type),
          });
        }}
      >
        <ModalBody>
          <div className="grid gap-4 sm:grid-cols-2">
            {TYPES.map((type) => (
              <TextField
                key={type}
                name={type}
                label={m.limitTypes[type] ?? type}
                hint={type === 'cost_micros' ? m.humans.dollars : m.limitUnits[type]}
                type="number"
                min={0}
                step="any"
                inputMode="decimal"
                defaultValue={shown.get(type)}
              />
            ))}
          </div>
          {save.isError ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.humans.setLimits}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
