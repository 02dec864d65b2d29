import { Form } from '@base-ui/react/form';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import { useMay, useMe } from '../../api/may.js';
import { switchTenant } from '../../app/switch-tenant.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { session } from '../../session/session.js';

/** Actions that can't be undone; the user types the name first. */
export function Danger() {
  const { orgs, tenantId } = useMe();
  const may = useMay();
  const [asking, setAsking] = useState<'tenant' | 'org' | null>(null);
  const org = orgs.find(({ tenants }) => tenants.some(({ id }) => id === tenantId));
  const tenant = org?.tenants.find(({ id }) => id === tenantId);
  const next = org?.tenants.find(({ id }) => id !== tenantId);
  if (org === undefined || tenant === undefined) return null;
  const removeTenant = async (name: string): Promise<void> => {
    await answerOf(api.POST('/api/v1/tenants/delete', { body: { tenantId: tenant.id, name } }));
    if (next === undefined) await session.enter();
    else await switchTenant(next.id).catch(() => session.enter());
  };
  const removeOrg = async (name: string): Promise<void> => {
    await answerOf(api.POST('/api/v1/orgs/delete', { body: { name } }));
    await session.enter();
  };
  return (
    <Panel label={m.settings.danger}>
      <PanelHead title={m.settings.danger} lead={m.settings.dangerLead} />
      <ul className="px-5 pb-3">
        <Row
          title={m.settings.deleteTenant}
          lead={next === undefined ? m.settings.lastTenant : m.settings.deleteTenantLead}
          disabled={next === undefined}
          onAsk={() => setAsking('tenant')}
        />
        {may('POST /api/v1/orgs/delete') ? (
          <Row title={m.settings.deleteOrg} lead={m.settings.deleteOrgLead} onAsk={() => setAsking('org')} />
        ) : null}
      </ul>
      {asking === 'tenant' ? (
        <TypeName
          title={m.settings.deleteTenant}
          lead={m.settings.deleteTenantLead}
          name={tenant.name}
          remove={removeTenant}
          onClose={() => setAsking(null)}
        />
      ) : null}
      {asking === 'org' ? (
        <TypeName
          title={m.settings.deleteOrg}
          lead={m.settings.deleteOrgLead}
          name={org.name}
          remove={removeOrg}
          onClose={() => setAsking(null)}
        />
      ) : null}
    </Panel>
  );
}

interface RowProps {
  readonly title: string;
  readonly lead: string;
  readonly disabled?: boolean;
  readonly onAsk: () => void;
}

function Row({ title, lead, disabled = false, onAsk }: RowProps) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-3 border-t border-line py-3">
      <div>
        <p className="font-medium">{title}</p>
        <p className="text-[13px] text-soft">{lead}</p>
      </div>
      <Button look="outlineDanger" disabled={disabled} onClick={onAsk}>
        {title}
      </Button>
    </li>
  );
}

interface TypeNameProps {
  readonly title: string;
  readonly lead: string;
  readonly name: string;
  readonly remove: (name: string) => Promise<void>;
  readonly onClose: () => void;
}

function TypeName({ title, lead, name, remove, onClose }: TypeNameProps) {
  const [typed, setTyped] = useState('');
  const removal = useMutation({ mutationFn: remove });
  const errors = faultsByField(removal.error);
  return (
    <Modal open title={title} lead={lead} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          removal.mutate(textOf(new FormData(event.currentTarget), 'name'));
        }}
      >
        <ModalBody>
          <TextField
            name="name"
            label={m.settings.typeName(name)}
            required
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
          {removal.isError && Object.keys(errors).length === 0 ? <Fault error={removal.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="danger" disabled={typed !== name} busy={removal.isPending}>
            {m.settings.deleteSubmit}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
