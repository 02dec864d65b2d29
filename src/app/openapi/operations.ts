import type { OpenAPIObject } from '@nestjs/swagger';
import type { DeclaredRoute } from '../assert-routes-declared.js';

type PathItem = OpenAPIObject['paths'][string];
export type Operation = NonNullable<PathItem['get']> & { [extension: `x-${string}`]: unknown };
export type Parameter = NonNullable<Operation['parameters']>[number];
export type Components = NonNullable<OpenAPIObject['components']>;
/** A node of a JSON schema. */
export type SchemaNode = Record<string, unknown>;

const METHODS = ['get', 'post', 'put', 'patch', 'delete', 'head'] as const;

/** An operation of the document, with the route that it tells. */
export interface ToldRoute {
  readonly method: (typeof METHODS)[number];
  readonly path: string;
  readonly operation: Operation;
  readonly route: DeclaredRoute;
}

/** @throws Error where the document tells a route that no controller declares */
export function toldRoutes(document: OpenAPIObject, declared: readonly DeclaredRoute[]): ToldRoute[] {
  const routes = new Map(declared.map((route) => [`${route.method} ${starred(route.path)}`, route]));
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      if (operation === undefined) return [];
      const route = routes.get(`${method.toUpperCase()} ${starred(path)}`);
      if (route === undefined) throw new Error(`No controller declares ${method} ${path}.`);
      return [{ method, path, operation: operation as Operation, route }];
    }),
  );
}

/** The router's `:name` and `*name`, and the document's `{name}`, all as a star. */
function starred(path: string): string {
  return path.replaceAll(/\{[^}]+\}|[:*]\w+/g, '*');
}
