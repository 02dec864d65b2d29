import { Form } from '@base-ui/react/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { ModelProvider, RequestOf, Route } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button, IconButton } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Await, Fault } from '../../kit/fault.js';
import { Segmented, SelectField, TextField, textOf } from '../../kit/fields.js';
import { Note } from '../../kit/surface.js';
import { m } from '../../messages/index.js';

type Body = RequestOf<'/api/v1/llm/routes/create'>;
type Strategy = Route['strategy'];
interface Target {
  readonly id: number;
  readonly of?: Route['targets'][number];
}

const STRATEGIES = ['FALLBACK', 'WEIGHTED'] as const satisfies readonly Strategy[];
const MOST_TARGETS = 8;

/** A name that callers write as their model, and its targets: in order, or by weight. */
export function RouteDialog({ of, onClose }: { of?: Route; onClose: () => void }) {
  const providers = useQuery({
    queryKey: ['providers', 'all'],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/llm/providers/list', { body: { pageSize: 500 }, signal }))).providers,
  });
  return (
    <Modal
      open
      wide
      title={of === undefined ? m.models.addRoute : m.models.editRoute(of.name)}
      lead={m.models.noRoutesHint}
      onClose={onClose}
    >
      <Await query={providers}>
        {providers.data === undefined || providers.data.length === 0 ? (
          <ModalBody>
            <Note tone="accent">{m.models.noModelsHint}</Note>
          </ModalBody>
        ) : (
          <RouteForm of={of} providers={providers.data} onClose={onClose} />
        )}
      </Await>
    </Modal>
  );
}

interface RouteFormProps {
  readonly of: Route | undefined;
  readonly providers: readonly ModelProvider[];
  readonly onClose: () => void;
}

function RouteForm({ of, providers, onClose }: RouteFormProps) {
  const [keys] = useState(() => new IdempotencyKeys());
  const [strategy, setStrategy] = useState<Strategy>(of?.strategy ?? 'FALLBACK');
  const [targets, setTargets] = useState<readonly Target[]>(
    () => of?.targets.map((target, id) => ({ id, of: target })) ?? [{ id: 0 }],
  );
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: async (body: Body): Promise<void> => {
      if (of === undefined) await answerOf(api.POST('/api/v1/llm/routes/create', { body, headers: keys.of(body) }));
      else await answerOf(api.POST('/api/v1/llm/routes/update', { body: { routeId: of.routeId, ...body } }));
    },
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries();
    },
  });
  const read = (form: FormData): Body => {
    const attempts = textOf(form, 'retry.attempts');
    return {
      name: textOf(form, 'name'),
      strategy,
      targets: targets.map(({ id }) => ({
        providerId: textOf(form, `provider ${id}`),
        model: textOf(form, `model ${id}`),
        ...(strategy === 'WEIGHTED' ? { weight: Number(textOf(form, `weight ${id}`)) } : {}),
      })),
      ...(attempts === ''
        ? {}
        : { retry: { attempts: Number(attempts), ...(of === undefined ? {} : { on: of.retry.on }) } }),
    };
  };
  return (
    <Form
      className={MODAL_FORM}
      errors={faultsByField(save.error)}
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(read(new FormData(event.currentTarget)));
      }}
    >
      <ModalBody>
        <TextField
          name="name"
          label={m.models.routeName}
          hint={m.models.routeNameHint}
          required
          maxLength={128}
          placeholder="fast"
          defaultValue={of?.name}
        />
        <div className="grid justify-items-start gap-1.5">
          <Segmented
            label={m.models.strategy}
            value={strategy}
            onChoose={setStrategy}
            options={STRATEGIES.map((one) => [one, m.models.strategies[one] ?? one])}
          />
          <p className="text-xs text-faint">{strategy === 'WEIGHTED' ? m.models.routeWeighed : m.models.routeTried}</p>
        </div>
        {targets.map((target, index) => (
          <TargetFields
            key={target.id}
            of={target}
            place={index + 1}
            providers={providers}
            weighted={strategy === 'WEIGHTED'}
            {...(targets.length > 1
              ? { onRemove: () => setTargets(targets.filter(({ id }) => id !== target.id)) }
              : {})}
          />
        ))}
        {targets.length < MOST_TARGETS ? (
          <div>
            <Button
              size="small"
              icon="plus"
              onClick={() => setTargets([...targets, { id: 1 + Math.max(...targets.map(({ id }) => id)) }])}
            >
              {m.models.addTarget}
            </Button>
          </div>
        ) : null}
        <TextField
          name="retry.attempts"
          label={m.models.attempts}
          hint={m.models.attemptsHint}
          type="number"
          min={1}
          defaultValue={of?.retry.attempts}
        />
        {save.isError ? <Fault error={save.error} /> : null}
      </ModalBody>
      <ModalFoot>
        <Button onClick={onClose}>{m.kit.cancel}</Button>
        <Button type="submit" look="primary" busy={save.isPending}>
          {of === undefined ? m.models.addRoute : m.kit.save}
        </Button>
      </ModalFoot>
    </Form>
  );
}

interface TargetFieldsProps {
  readonly of: Target;
  readonly place: number;
  readonly providers: readonly ModelProvider[];
  readonly weighted: boolean;
  readonly onRemove?: () => void;
}

function TargetFields({ of: { id, of }, place, providers, weighted, onRemove }: TargetFieldsProps) {
  return (
    <fieldset className="rounded-lg border border-line p-3.5">
      <legend className="sr-only">{m.models.target(place)}</legend>
      <div className="flex items-start gap-3">
        <div className="grid min-w-0 flex-1 gap-3 sm:grid-cols-[1fr_1fr_auto]">
          <SelectField
            name={`provider ${id}`}
            label={m.models.targetProvider}
            options={providers.map(({ providerId, name }) => [providerId, name] as const)}
            defaultValue={of?.providerId}
            required
          />
          <TextField
            name={`model ${id}`}
            label={m.models.targetModel}
            required
            maxLength={256}
            defaultValue={of?.model}
          />
          {weighted ? (
            <TextField
              name={`weight ${id}`}
              label={m.models.weight}
              type="number"
              min={1}
              required
              className="sm:w-24"
              defaultValue={of?.weight ?? 1}
            />
          ) : null}
        </div>
        {onRemove ? <IconButton icon="x" label={m.models.removeTarget(place)} onClick={onRemove} /> : null}
      </div>
    </fieldset>
  );
}
