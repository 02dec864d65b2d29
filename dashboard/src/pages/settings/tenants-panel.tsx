import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import { usePages } from '../../api/queries.js';
import type { Tenant } from '../../api/types.js';
import { NewTenant } from '../../app/new-tenant.js';
import { switchTenant } from '../../app/switch-tenant.js';
import { formatDay } from '../../format/format.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Modal, ModalBody, ModalFoot, MODAL_FORM } from '../../kit/dialog.js';
import { Fault, messageOf } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Badge, Mono, Panel, PanelHead } from '../../kit/surface.js';
import { List } from '../../kit/table.js';
import { m } from '../../messages/index.js';

export function TenantsPanel() {
  const may = useMay();
  const announce = useAnnounce();
  const [making, setMaking] = useState(false);
  const [renaming, setRenaming] = useState<Tenant | null>(null);
  const pages = usePages<Tenant>(['tenants'], async (pageToken, signal) => {
    const { tenants, nextPageToken } = await answerOf(
      api.POST('/api/v1/tenants/list', { body: { pageToken }, signal }),
    );
    return { rows: tenants, nextPageToken };
  });
  return (
    <Panel label={m.settings.tenants}>
      <PanelHead
        title={m.settings.tenants}
        lead={m.settings.tenantsLead}
        actions={
          may('POST /api/v1/tenants/create') ? (
            <Button icon="plus" onClick={() => setMaking(true)}>
              {m.shell.newTenant}
            </Button>
          ) : null
        }
      />
      <List
        label={m.settings.tenants}
        pages={pages}
        keyOf={({ id }) => id}
        empty={null}
        columns={[
          {
            head: m.kit.name,
            className: 'max-w-64',
            cell: ({ name, current }) => (
              <span className="flex items-center gap-2">
                <span className="truncate font-medium">{name}</span>
                {current ? <Badge tone="accent">{m.settings.current}</Badge> : null}
              </span>
            ),
          },
          { head: m.settings.tenantId, cell: ({ id }) => <Mono className="text-soft">{id}</Mono> },
          {
            head: m.gateways.columns.created,
            wideOnly: true,
            cell: ({ createdAt }) => <span className="whitespace-nowrap text-soft">{formatDay(createdAt)}</span>,
          },
        ]}
        actions={(tenant) => (
          <span className="inline-flex gap-1">
            {tenant.current ? null : (
              <Button
                size="small"
                look="ghost"
                onClick={() => {
                  switchTenant(tenant.id).catch((error: unknown) => announce(messageOf(error)));
                }}
              >
                {m.settings.goThere}
              </Button>
            )}
            {may('POST /api/v1/tenants/update') ? (
              <Button size="small" look="ghost" onClick={() => setRenaming(tenant)}>
                {m.settings.rename}
              </Button>
            ) : null}
          </span>
        )}
      />
      <NewTenant open={making} onClose={() => setMaking(false)} />
      {renaming === null ? null : <Rename of={renaming} onClose={() => setRenaming(null)} />}
    </Panel>
  );
}

function Rename({ of, onClose }: { of: Tenant; onClose: () => void }) {
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const save = useMutation({
    mutationFn: (name: string) => answerOf(api.POST('/api/v1/tenants/update', { body: { tenantId: of.id, name } })),
    onSuccess: async () => {
      announce(m.kit.saved);
      onClose();
      await queryClient.invalidateQueries();
    },
  });
  const errors = faultsByField(save.error);
  return (
    <Modal open title={m.settings.renameTitle(of.name)} onClose={onClose}>
      <Form
        className={MODAL_FORM}
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(textOf(new FormData(event.currentTarget), 'name'));
        }}
      >
        <ModalBody>
          <TextField name="name" label={m.kit.name} required maxLength={100} defaultValue={of.name} />
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
        </ModalBody>
        <ModalFoot>
          <Button onClick={onClose}>{m.kit.cancel}</Button>
          <Button type="submit" look="primary" busy={save.isPending}>
            {m.settings.rename}
          </Button>
        </ModalFoot>
      </Form>
    </Modal>
  );
}
