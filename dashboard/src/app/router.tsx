import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import type { ComponentType } from 'react';
import { ListSkeleton } from '../kit/fault.js';
import { readCallsSearch } from '../pages/calls/calls-search.js';
import { readTokensSearch } from '../pages/tokens/tokens-search.js';
import { readUsageSearch } from '../pages/usage/usage-search.js';
import { Gate } from './gate.js';
import { Lost } from './lost.js';

type Load = () => Promise<{ default: ComponentType }>;

const root = createRootRoute({ component: Gate, notFoundComponent: Lost });
const page = <const P extends string>(path: P, load: Load) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

const routes = [
  page('/', () => import('../pages/overview/overview.js')),
  page('/start', () => import('../pages/start/start.js')),
  createRoute({
    getParentRoute: () => root,
    path: '/usage',
    validateSearch: readUsageSearch,
    component: lazyRouteComponent(() => import('../pages/usage/usage.js')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/calls',
    validateSearch: readCallsSearch,
    component: lazyRouteComponent(() => import('../pages/calls/calls.js')),
  }),
  page('/keys', () => import('../pages/keys/keys.js')),
  page('/gateways', () => import('../pages/gateways/gateways.js')),
  page('/gateways/$gatewayId', () => import('../pages/gateways/gateway.js')),
  page('/gateways/$gatewayId/$tab', () => import('../pages/gateways/gateway.js')),
  page('/humans', () => import('../pages/humans/humans.js')),
  createRoute({
    getParentRoute: () => root,
    path: '/tokens',
    validateSearch: readTokensSearch,
    component: lazyRouteComponent(() => import('../pages/tokens/tokens.js')),
  }),
  page('/threads', () => import('../pages/threads/threads.js')),
  page('/playground', () => import('../pages/playground/playground.js')),
  page('/models', () => import('../pages/models/models.js')),
  page('/webhooks', () => import('../pages/webhooks/webhooks.js')),
  page('/members', () => import('../pages/members/members.js')),
  page('/audit', () => import('../pages/audit/audit.js')),
  page('/settings', () => import('../pages/settings/settings.js')),
  // The gate shows this page, since people without a tenant need it too.
  page('/accept-invitation', () => Promise.resolve({ default: () => null })),
];

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: '/dashboard',
  defaultPreload: 'intent',
  defaultPendingComponent: ListSkeleton,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
