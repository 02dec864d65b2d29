/**
 * What every route declares, and what OpenAPI says of it, as reviewed data: access.snapshot.json and docs/openapi.json. The
 * matrix checks that it is right; this spec checks that it does not change without a review.
 */
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { declaredRoutes, type DeclaredRoute } from '../../src/app/assert-routes-declared.js';
import { startService, type TestService } from '../support/service.js';
import { problemsOf, type OpenApiDocument } from './openapi-rules.js';
import { differencesFrom } from './snapshot-file.js';

let service: TestService;
let declared: DeclaredRoute[];
let document: OpenApiDocument;

beforeAll(async () => {
  service = await startService();
  declared = declaredRoutes(
    service.app.get(DiscoveryService, { strict: false }),
    service.app.get(MetadataScanner, { strict: false }),
  );
  document = (await service.call('GET', '/openapi.json')).json<OpenApiDocument>();
});

afterAll(() => service.stop());

it('every route declares the access and the dialect that were reviewed', () => {
  const sorted = declared.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const routes = Object.fromEntries(
    sorted.map((route) => [keyOf(route), { dialect: nameOf(route), access: route.access }]),
  );
  expect(Object.keys(routes)).toHaveLength(declared.length);
  expect(differencesFrom('access.snapshot.json', routes)).toEqual([]);
});

it('every public route says why it is public', () => {
  const reasons = declared.flatMap(({ access }) => (access !== undefined && 'public' in access ? [access.public] : []));
  expect(reasons.filter((reason) => reason.length < 20)).toEqual([]);
});

describe('the OpenAPI document', () => {
  it('is the one that was reviewed', () => {
    expect(differencesFrom('openapi.json', document, 'docs')).toEqual([]);
  });

  it('is valid OpenAPI 3.0', () => {
    expect(problemsOf(document)).toEqual([]);
  });

  it('describes every route except those for unknown paths, and no other', () => {
    const told = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${starred(path)}`),
    );
    const served = declared
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${starred(path)}`);
    expect(told.sort()).toEqual(served.sort());
  });

  it('requires of each route the credentials of its access, and no credential where it is public', () => {
    const wrong: string[] = [];
    for (const route of declared.filter(({ method }) => method !== 'ALL')) {
      const operation = operationOf(route);
      const asked = (operation?.security ?? []).map((scheme) => Object.keys(scheme).join('+')).sort();
      const expected = schemesOf(route).sort();
      if (asked.join() !== expected.join())
        wrong.push(`${keyOf(route)}: expected ${expected.join()}, told ${asked.join()}`);
    }
    expect(wrong).toEqual([]);
  });

  it('is the same in JSON and in YAML', async () => {
    const yaml = await service.call('GET', '/openapi.yaml');
    expect(yaml.status).toBe(200);
    for (const path of Object.keys(document.paths)) expect(yaml.text).toContain(path);
  });
});

const nameOf = ({ dialect }: DeclaredRoute): string | undefined =>
  typeof dialect === 'object' ? dialect.name : dialect;
const keyOf = ({ method, path }: DeclaredRoute): string => `${method} ${path}`;

/** The router's `:name` and the document's `{name}`, both as a star. */
const starred = (path: string): string => path.replaceAll(/\{[^}]+\}|:\w+/g, '*');

function operationOf({ method, path }: DeclaredRoute) {
  const [, item] = Object.entries(document.paths).find(([told]) => starred(told) === starred(path)) ?? [];
  return item?.[method.toLowerCase()];
}

/** The credentials of each kind of principal, by hand. */
const PRESENTED = {
  account: ['dashboardToken'],
  dashboardUser: ['dashboardToken'],
  secretKey: ['secretKey', 'secretKeyBearer'],
  impersonation: ['secretKey', 'secretKeyBearer'],
  endUser: ['publishableKey+userToken'],
  usageToken: ['usageToken'],
  sealedToken: ['sealedToken'],
  gatewayToken: ['gatewayToken', 'gatewayTokenHeader'],
  // OpenAPI's notation for no credential: an empty requirement.
  anonymous: [''],
} as const;

function schemesOf({ access }: DeclaredRoute): string[] {
  if (access === undefined || 'public' in access) return [];
  const kinds = Object.keys(access.rule) as (keyof typeof PRESENTED)[];
  return [...new Set(kinds.flatMap((kind) => PRESENTED[kind]))];
}
