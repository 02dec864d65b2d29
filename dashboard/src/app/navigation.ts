import type { IconName } from '../kit/icon-names.js';
import { m } from '../messages/index.js';

export interface Place {
  readonly to: string;
  readonly label: string;
  readonly icon: IconName;
  /** The route that the page calls first: a user who may not call it does not see the page. */
  readonly needs?: string;
}
export interface PlaceGroup {
  readonly label?: string;
  readonly places: readonly Place[];
}

/** The places of the dashboard. The rail, the palette and the title all use this list. */
export const NAVIGATION: readonly PlaceGroup[] = [
  {
    places: [
      { to: '/start', label: m.nav.start, icon: 'rocket' },
      { to: '/', label: m.nav.overview, icon: 'layout-dashboard', needs: 'POST /api/v1/usage/query' },
    ],
  },
  {
    label: m.nav.observe,
    places: [
      { to: '/usage', label: m.nav.usage, icon: 'chart-column', needs: 'POST /api/v1/usage/query' },
      { to: '/calls', label: m.nav.calls, icon: 'list-tree', needs: 'POST /api/v1/usage/list-calls' },
      {
        to: '/threads',
        label: m.nav.threads,
        icon: 'messages-square',
        needs: 'POST /api/v1/llm/gateway/list-threads',
      },
    ],
  },
  {
    label: m.nav.access,
    places: [
      { to: '/keys', label: m.nav.keys, icon: 'key-round', needs: 'POST /api/v1/api-keys/list' },
      { to: '/gateways', label: m.nav.gateways, icon: 'door-open', needs: 'POST /api/v1/gateways/list' },
      { to: '/humans', label: m.nav.humans, icon: 'users', needs: 'POST /api/v1/humans/list' },
      { to: '/tokens', label: m.nav.tokens, icon: 'ticket', needs: 'POST /api/v1/usage/list-tokens' },
    ],
  },
  {
    label: m.nav.build,
    places: [
      { to: '/playground', label: m.nav.playground, icon: 'square-terminal', needs: 'POST /v1/chat/completions' },
      { to: '/models', label: m.nav.models, icon: 'cpu', needs: 'POST /api/v1/llm/models/list' },
      { to: '/webhooks', label: m.nav.webhooks, icon: 'webhook', needs: 'POST /api/v1/webhooks/list' },
    ],
  },
  {
    label: m.nav.organisation,
    places: [
      { to: '/members', label: m.nav.members, icon: 'user-plus', needs: 'POST /api/v1/orgs/list-members' },
      { to: '/audit', label: m.nav.audit, icon: 'scroll-text', needs: 'POST /api/v1/audit/list' },
      { to: '/settings', label: m.nav.settings, icon: 'settings' },
    ],
  },
];

export function placeOf(path: string): Place | undefined {
  const all = NAVIGATION.flatMap(({ places }) => places);
  return all.find(({ to }) => (to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`)));
}
