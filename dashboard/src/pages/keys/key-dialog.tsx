import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import { useMe } from '../../api/may.js';
import type { ApiKey, Scope } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { CodeBlock } from '../../kit/copy.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { textOf } from '../../kit/fields.js';
import { LostSecret, ShownSecret, useShowOnce } from '../../kit/show-once.js';
import { m } from '../../messages/index.js';
import { firstCall } from './first-call.js';
import { commonBody, issuerBody, KeyFields } from './key-fields.js';
import { grantable, isFar, publishableOf } from './scopes.js';

interface KeyDialogProps {
  readonly open: boolean;
  readonly kind: ApiKey['type'];
  /** The key that is edited; absent: a new one. */
  readonly of?: ApiKey;
  readonly onClose: () => void;
  readonly onGone?: () => void;
}

/** Creates a key and shows it this once, or changes one. */
export function KeyDialog({ open, kind, of, onClose, onGone }: KeyDialogProps) {
  const me = useMe();
  const publishable = kind === 'PUBLISHABLE';
  const offered = grantable(me, publishable);
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(
    () => new Set(of?.permissions ?? offered.filter((scope) => publishable || !isFar(scope))),
  );
  const once = useShowOnce(onClose);
  const save = useSaving(kind, of, (key) => {
    if (of !== undefined) onClose();
    else if (key !== undefined) once.show(key);
  });
  const errors = faultsByField(save.error);
  const made = of === undefined ? save.data : undefined;
  const newTitle = publishable ? m.keyForm.publishableTitle : m.keyForm.secretTitle;
  const title = of === undefined ? newTitle : m.keyForm.editTitle(of.name);
  const lead = publishable ? m.keyForm.publishableLead : m.keyForm.secretLead;
  return (
    <Modal
      open={open}
      wide
      locked={once.secret !== null}
      title={made === undefined ? title : m.keyForm.ready(made.name)}
      lead={made === undefined ? (of === undefined ? lead : undefined) : m.once.lead}
      onClose={once.close}
      {...(onGone === undefined ? {} : { onGone })}
    >
      {made === undefined ? (
        <Form
          className={MODAL_FORM}
          errors={errors}
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate({ form: new FormData(event.currentTarget), scopes: [...scopes] });
          }}
        >
          <ModalBody>
            <KeyFields kind={kind} of={of} offered={offered} scopes={scopes} onScopes={setScopes} />
            {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
          </ModalBody>
          <ModalFoot>
            <Button onClick={once.close}>{m.kit.cancel}</Button>
            <Button type="submit" look="primary" busy={save.isPending}>
              {of === undefined ? m.keys.create : m.kit.save}
            </Button>
          </ModalFoot>
        </Form>
      ) : once.secret === null ? (
        <LostSecret hint={m.keyForm.lost} onClose={onClose} />
      ) : (
        <ShownSecret once={once} label={m.keyForm.newKey}>
          {publishable ? null : (
            <CodeBlock label={m.keyForm.tryIt} code={firstCall('curl', once.secret, 'gpt-4o-mini')} />
          )}
        </ShownSecret>
      )}
    </Modal>
  );
}

interface Saving {
  readonly form: FormData;
  readonly scopes: readonly Scope[];
}

function useSaving(kind: ApiKey['type'], of: ApiKey | undefined, onSaved: (key: string | undefined) => void) {
  const [keys] = useState(() => new IdempotencyKeys());
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  return useMutation({
    mutationFn: async ({ form, scopes }: Saving): Promise<ApiKey & { key?: string }> => {
      const common = commonBody(form, scopes);
      const issuer = kind === 'PUBLISHABLE' ? issuerBody(form) : {};
      if (of !== undefined) {
        const never = textOf(form, 'expiresAt') === '' ? { neverExpires: true } : {};
        const body = { keyId: of.keyId, ...common, ...issuer, ...never };
        return (await answerOf(api.POST('/api/v1/api-keys/update', { body }))).apiKey;
      }
      if (kind === 'SECRET') {
        return (await answerOf(api.POST('/api/v1/api-keys/create', { body: common, headers: keys.of(common) }))).result;
      }
      const body = { ...common, ...issuer, permissions: publishableOf(scopes) };
      const headers = keys.of(body);
      return (await answerOf(api.POST('/api/v1/api-keys/create-publishable', { body, headers }))).result;
    },
    onSuccess: async ({ key }) => {
      onSaved(key);
      if (of !== undefined) announce(m.kit.saved);
      await queryClient.invalidateQueries({ queryKey: ['keys'] });
    },
  });
}
