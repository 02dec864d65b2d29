import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import type { RequestOf, TenantModel } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';

type Body = RequestOf<'/api/v1/llm/models/update'>;

/** Sets a model's price for this tenant; of a model that the service does not know, its size too. */
export function PriceDialog({ of, onClose }: { of: TenantModel; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: (body: Omit<Body, 'model'>) =>
      answerOf(api.POST('/api/v1/llm/models/update', { body: { model: of.model, ...body } })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['models'] });
    },
  });
  const errors = faultsByField(save.error);
  const isUnknown = of.contextTokens === undefined;
  return (
    <Modal open title={m.models.priceTitle(of.model)} lead={m.models.priceLead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const [input, output] = [textOf(form, 'price.input'), textOf(form, 'price.output')];
          const cachedInput = textOf(form, 'price.cachedInput');
          save.mutate({
            price: { input, output, ...(cachedInput === '' ? {} : { cachedInput }) },
            ...(isUnknown
              ? {
                  contextTokens: Number(textOf(form, 'contextTokens')),
                  maxOutputTokens: Number(textOf(form, 'maxOutputTokens')),
                }
              : {}),
          });
        }}
      >
        <ModalBody>
          <div className="grid grid-cols-2 items-start gap-4">
            <Price name="price.input" label={m.models.input} required defaultValue={of.price?.input} />
            <Price name="price.output" label={m.models.output} required defaultValue={of.price?.output} />
          </div>
          <Price
            name="price.cachedInput"
            label={m.models.cachedInput}
            hint={m.models.cachedInputHint}
            defaultValue={of.overridden ? of.price?.cachedInput : undefined}
          />
          {isUnknown ? (
            <div className="grid grid-cols-2 items-start gap-4">
              <Tokens name="contextTokens" label={m.models.contextTokens} />
              <Tokens name="maxOutputTokens" label={m.models.maxOutputTokens} />
            </div>
          ) : null}
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          {of.overridden ? (
            <Button busy={save.isPending} onClick={() => save.mutate({ reset: true })} className="mr-auto">
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

interface PriceProps {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly required?: boolean;
  readonly defaultValue: string | undefined;
}

const Price = (props: PriceProps) => <TextField type="number" min={0} max={1000} step="any" {...props} />;

const Tokens = (props: { readonly name: string; readonly label: string }) => (
  <TextField type="number" min={1} required hint={m.models.unknownHint} {...props} />
);
