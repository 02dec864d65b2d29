import { Form } from '@base-ui/react/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { RequestOf, Tenant } from '../../api/types.js';
import { useAnnounce } from '../../kit/announcer.js';
import { Button } from '../../kit/button.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';

export function TenantDefaults({ of }: { of: Tenant }) {
  const may = useMay();
  const queryClient = useQueryClient();
  const announce = useAnnounce();
  const mayWrite = may('POST /api/v1/tenants/update');
  const tokens = of.defaultLimits.find(({ type }) => type === 'token_cnt')?.value;
  const save = useMutation({
    mutationFn: (body: RequestOf<'/api/v1/tenants/update'>) => answerOf(api.POST('/api/v1/tenants/update', { body })),
    onSuccess: async () => {
      announce(m.kit.saved);
      await queryClient.invalidateQueries({ queryKey: ['tenants'] });
    },
  });
  const errors = faultsByField(save.error);
  return (
    <Panel label={m.settings.defaults}>
      <PanelHead title={m.settings.defaults} lead={m.settings.defaultsLead} />
      <Form
        className="px-5 pb-5"
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const others = of.defaultLimits.filter(({ type }) => type !== 'token_cnt');
          const typed = textOf(form, 'defaultLimits');
          save.mutate({
            tenantId: of.id,
            defaultLimits: [...others, ...(typed === '' ? [] : [{ type: 'token_cnt' as const, value: Number(typed) }])],
            defaultOutputTokens: Number(textOf(form, 'defaultOutputTokens')),
            threadRetentionDays: Number(textOf(form, 'threadRetentionDays')),
          });
        }}
      >
        <fieldset disabled={!mayWrite} className="grid gap-4 sm:grid-cols-3">
          <TextField
            name="defaultLimits"
            label={m.settings.defaultTokens}
            hint={m.settings.defaultTokensHint}
            type="number"
            min={0}
            defaultValue={tokens}
          />
          <TextField
            name="defaultOutputTokens"
            label={m.settings.defaultOutput}
            hint={m.settings.defaultOutputHint}
            type="number"
            min={0}
            defaultValue={of.defaultOutputTokens}
          />
          <TextField
            name="threadRetentionDays"
            label={m.settings.retention}
            hint={m.settings.retentionHint}
            type="number"
            min={0}
            max={36_500}
            defaultValue={of.threadRetentionDays}
          />
        </fieldset>
        <div className="mt-4 grid gap-4">
          {save.isError && Object.keys(errors).length === 0 ? <Fault error={save.error} /> : null}
          {mayWrite ? (
            <div>
              <Button type="submit" busy={save.isPending}>
                {m.kit.save}
              </Button>
            </div>
          ) : null}
        </div>
      </Form>
    </Panel>
  );
}
