import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { answerOf, api } from '../../api/client.js';
import type { Gateway } from '../../api/types.js';
import { Lost } from '../../app/lost.js';
import { Await } from '../../kit/fault.js';
import { Icon } from '../../kit/icon.js';
import { PageHead } from '../../kit/surface.js';
import { TabLinks } from '../../kit/tabs.js';
import { m } from '../../messages/index.js';
import { GatewayCallsTab } from './gateway-calls.js';
import { GatewayCacheTab, GatewayOverview } from './gateway-parts.js';
import { GatewayProviders } from './gateway-providers.js';
import { GatewaySettings } from './gateway-settings.js';
import { GatewayTokens } from './gateway-tokens.js';

const TABS = {
  overview: GatewayOverview,
  tokens: GatewayTokens,
  providers: GatewayProviders,
  cache: GatewayCacheTab,
  calls: GatewayCallsTab,
  settings: GatewaySettings,
} as const;
type Tab = keyof typeof TABS;

const isTab = (text: string): text is Tab => text in TABS;

/** One gateway, in parts. */
export default function GatewayPage() {
  const { gatewayId = '', tab = 'overview' } = useParams({ strict: false });
  const gateway = useQuery({
    queryKey: ['gateways', 'one', gatewayId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/gateways/get', { body: { gatewayId }, signal }))).gateway,
  });
  if (!isTab(tab)) return <Lost />;
  return (
    <>
      <PageHead
        title={gateway.data?.name ?? ' '}
        above={
          <Link to="/gateways" className="mb-1 inline-flex items-center gap-1 text-[13px] text-soft hover:text-ink">
            <Icon name="chevron-left" size={14} />
            {m.gateways.back}
          </Link>
        }
      />
      <TabLinks
        label={m.gateways.parts}
        current={pathOf(gatewayId, tab)}
        tabs={Object.keys(TABS)
          .filter(isTab)
          .map((one) => ({ to: pathOf(gatewayId, one), label: m.gateways.tabs[one] }))}
      />
      <Await query={gateway}>{gateway.data === undefined ? null : <Part tab={tab} of={gateway.data} />}</Await>
    </>
  );
}

function Part({ tab, of }: { tab: Tab; of: Gateway }) {
  const Content = TABS[tab];
  return <Content key={of.id} of={of} />;
}

const pathOf = (gatewayId: string, tab: Tab): string =>
  tab === 'overview' ? `/gateways/${gatewayId}` : `/gateways/${gatewayId}/${tab}`;
