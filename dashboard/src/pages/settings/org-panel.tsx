import { Form } from '@base-ui/react/form';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { Org, RequestOf } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Await, Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';

export function OrgPanel() {
  const org = useQuery({
    queryKey: ['org'],
    queryFn: async ({ signal }) => (await answerOf(api.POST('/api/v1/orgs/get', { body: {}, signal }))).org,
  });
  return (
    <Panel label={m.settings.org}>
      <PanelHead title={m.settings.org} />
      <Await query={org}>{org.data === undefined ? null : <OrgForm of={org.data} />}</Await>
    </Panel>
  );
}

function OrgForm({ of }: { of: Org }) {
  const may = useMay();
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const mayWrite = may('POST /api/v1/orgs/update');
  const save = useMutation({
    mutationFn: (body: RequestOf<'/api/v1/orgs/update'>) => answerOf(api.POST('/api/v1/orgs/update', { body })),
    onSuccess: async () => {
      announce(m.kit.saved);
      await queryClient.invalidateQueries();
    },
  });
  const errors = faultsByField(save.error);
  return (
    <Form
      className="px-5 pb-5"
      errors={errors}
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const slug = textOf(form, 'slug');
        save.mutate({ name: textOf(form, 'name'), ...(slug === of.slug ? {} : { slug }) });
      }}
    >
      <fieldset disabled={!mayWrite} className="grid gap-4 sm:grid-cols-[1fr_1fr_auto] sm:items-start">
        <TextField name="name" label={m.settings.orgName} required maxLength={100} defaultValue={of.name} />
        <TextField
          name="slug"
          label={m.settings.slug}
          hint={m.settings.slugHint}
          required
          minLength={2}
          maxLength={48}
          defaultValue={of.slug}
        />
        {mayWrite ? (
          <Button type="submit" busy={save.isPending} className="sm:mt-6.5">
            {m.kit.save}
          </Button>
        ) : null}
      </fieldset>
      {save.isError && Object.keys(errors).length === 0 ? (
        <div className="mt-4">
          <Fault error={save.error} />
        </div>
      ) : null}
    </Form>
  );
}
