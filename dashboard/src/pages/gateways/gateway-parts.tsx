import { Form } from '@base-ui/react/form';
import { useMay } from '../../api/may.js';
import type { Gateway } from '../../api/types.js';
import { formatTime } from '../../format/format.js';
import { Button } from '../../kit/button.js';
import { CodeBlock, CopyButton } from '../../kit/copy.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Badge, Facts, Mono, Panel, PanelHead } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { MonthOf } from '../usage/month-of.js';
import { addressOf, gatewayCall } from './gateway-call.js';
import { saidLimits } from './limits.js';
import { useUpdateGateway } from './use-update-gateway.js';

export function GatewayOverview({ of }: { of: Gateway }) {
  const may = useMay();
  const address = addressOf(of.id);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4 lg:grid-cols-2">
      <Panel label={m.gateways.endpoint}>
        <PanelHead title={m.gateways.endpoint} lead={m.gateways.endpointLead} />
        <div className="grid grid-cols-[minmax(0,1fr)] gap-4 px-5 pb-5">
          <div className="flex items-center gap-2 rounded-lg border border-line bg-sunken p-1.5 pl-3.5">
            <Mono className="min-w-0 flex-1">{address}</Mono>
            <CopyButton text={address} />
          </div>
          <CodeBlock label={m.gateways.example} code={gatewayCall(address, 'YOUR_TOKEN', of)} />
        </div>
      </Panel>
      <div className="grid grid-cols-[minmax(0,1fr)] content-start gap-4">
        {may('POST /api/v1/usage/query') ? <MonthOf filter={{ gatewayId: of.id }} /> : null}
        <Panel label={m.gateways.tabs.overview} className="p-5">
          <Facts
            rows={[
              [m.gateways.id, <Mono>{of.id}</Mono>],
              [
                m.gateways.accessFact,
                <Badge tone={of.authenticated ? 'good' : 'warn'}>
                  {of.authenticated ? m.gateways.authenticated : m.gateways.open}
                </Badge>,
              ],
              [m.gateways.limitsFact, saidLimits(of.rateLimit).join(', ') || m.gateways.noLimits],
              [m.gateways.tabs.providers, of.providers.map(({ name }) => name).join(', ')],
              [m.gateways.created, formatTime(of.createdAt)],
              [m.gateways.changed, formatTime(of.updatedAt)],
            ]}
          />
        </Panel>
      </div>
    </div>
  );
}

export function GatewayCacheTab({ of }: { of: Gateway }) {
  const may = useMay();
  const update = useUpdateGateway(of);
  const mayWrite = may('POST /api/v1/gateways/update');
  return (
    <Panel label={m.gateways.tabs.cache} className="max-w-xl">
      <PanelHead title={m.gateways.tabs.cache} lead={m.gateways.cacheLead} />
      <Form
        className="grid gap-4 px-5 pb-5"
        errors={update.errors}
        onSubmit={(event) => {
          event.preventDefault();
          const form = new FormData(event.currentTarget);
          const [ttl, maxBytes] = [textOf(form, 'cache.ttlSeconds'), textOf(form, 'cache.maxBytes')];
          update.mutate({ cache: { ttlSeconds: Number(ttl), maxBytes } });
        }}
      >
        <TextField
          name="cache.ttlSeconds"
          label={m.gateways.cacheTtl}
          hint={m.gateways.cacheTtlHint}
          type="number"
          min={0}
          required
          disabled={!mayWrite}
          defaultValue={of.cache.ttlSeconds}
        />
        <TextField
          name="cache.maxBytes"
          label={m.gateways.cacheBytes}
          hint={m.gateways.cacheBytesHint}
          type="number"
          min={65_536}
          required
          disabled={!mayWrite}
          defaultValue={of.cache.maxBytes}
        />
        {update.otherError === null ? null : <Fault error={update.otherError} />}
        {mayWrite ? (
          <div>
            <Button type="submit" look="primary" busy={update.isPending}>
              {m.kit.save}
            </Button>
          </div>
        ) : null}
      </Form>
    </Panel>
  );
}
