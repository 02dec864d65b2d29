import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { Gateway } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Confirm } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { Check, TextField, textOf } from '../../kit/fields.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { Budgets } from '../budgets/budgets.js';
import { LimitFields } from './limit-fields.js';
import { limitsOf } from './limits.js';
import { useUpdateGateway } from './use-update-gateway.js';

export function GatewaySettings({ of }: { of: Gateway }) {
  const may = useMay();
  const update = useUpdateGateway(of);
  const mayWrite = may('POST /api/v1/gateways/update');
  return (
    <div className="grid max-w-xl grid-cols-[minmax(0,1fr)] gap-4">
      <Panel label={m.gateways.tabs.settings}>
        <PanelHead title={m.gateways.tabs.settings} lead={m.gateways.settingsLead} />
        <Form
          className="px-5 pb-5"
          errors={update.errors}
          onSubmit={(event) => {
            event.preventDefault();
            const form = new FormData(event.currentTarget);
            const bodies = { retentionDays: Number(textOf(form, 'bodies.retentionDays')) };
            const authenticated = form.get('authenticated') !== null;
            update.mutate({ name: textOf(form, 'name'), authenticated, rateLimit: limitsOf(form), bodies });
          }}
        >
          <fieldset disabled={!mayWrite} className="grid gap-4">
            <TextField
              name="name"
              label={m.gateways.name}
              hint={m.gateways.nameHint}
              required
              minLength={5}
              maxLength={50}
              pattern="[A-Za-z0-9_\-]{5,50}"
              defaultValue={of.name}
            />
            <Check
              name="authenticated"
              label={m.gateways.authenticatedField}
              hint={m.gateways.authenticatedHint}
              defaultChecked={of.authenticated}
            />
            <LimitFields of={of.rateLimit} />
            <TextField
              name="bodies.retentionDays"
              label={m.gateways.bodies}
              hint={m.gateways.bodiesHint}
              type="number"
              min={0}
              max={365}
              required
              defaultValue={of.bodies.retentionDays}
            />
            {update.otherError === null ? null : <Fault error={update.otherError} />}
            {mayWrite ? (
              <div>
                <Button type="submit" look="primary" busy={update.isPending}>
                  {m.kit.save}
                </Button>
              </div>
            ) : null}
          </fieldset>
        </Form>
      </Panel>
      {may('POST /api/v1/budgets/list') ? (
        <Budgets holder={{ gatewayId: of.id }} lead={m.gateways.budgetsLead} />
      ) : null}
      {may('POST /api/v1/gateways/delete') ? <Danger of={of} /> : null}
    </div>
  );
}

function Danger({ of }: { of: Gateway }) {
  const [asking, setAsking] = useState(false);
  const navigate = useNavigate();
  const announce = useAnnounce();
  const queryClient = useQueryClient();
  const remove = useMutation({
    mutationFn: () => answerOf(api.POST('/api/v1/gateways/delete', { body: { gatewayId: of.id } })),
    onSuccess: async () => {
      announce(m.gateways.deleted(of.name));
      await navigate({ to: '/gateways' });
      queryClient.removeQueries({ queryKey: ['gateways', 'one', of.id] });
      await queryClient.invalidateQueries({ queryKey: ['gateways'] });
    },
  });
  return (
    <Panel label={m.gateways.danger}>
      <PanelHead
        title={m.gateways.danger}
        lead={m.gateways.dangerLead}
        actions={
          <Button look="danger" onClick={() => setAsking(true)}>
            {m.gateways.delete}
          </Button>
        }
      />
      <Confirm
        open={asking}
        title={m.gateways.deleteTitle(of.name)}
        action={m.gateways.delete}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
        onClose={() => setAsking(false)}
      >
        <p>{m.gateways.deleteLead}</p>
      </Confirm>
    </Panel>
  );
}
