import { RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import type { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ACCESS_METADATA, type AccessDeclaration } from '../identity/index.js';
import { DIALECT_METADATA, OWNER_OF_PATH, type DeclaredDialect, type Dialects } from '../platform/http/index.js';

export interface DeclaredRoute {
  readonly method: string;
  readonly path: string;
  readonly handler: string;
  readonly dialect: DeclaredDialect | undefined;
  readonly access: AccessDeclaration | undefined;
}

/** Every route of every controller, with what it declares. */
export function declaredRoutes(discovery: DiscoveryService, scanner: MetadataScanner): DeclaredRoute[] {
  return discovery.getControllers().flatMap(({ instance, metatype }) => {
    if (!instance || !metatype) return [];
    const prototype = Object.getPrototypeOf(instance) as Record<string, unknown>;
    const prefixes = [Reflect.getMetadata(PATH_METADATA, metatype) as string | string[]].flat();
    const dialect = Reflect.getMetadata(DIALECT_METADATA, metatype) as DeclaredDialect | undefined;
    return scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler = prototype[name] as object;
      const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
      if (method === undefined) return [];
      const paths = [Reflect.getMetadata(PATH_METADATA, handler) as string | string[]].flat();
      const access = Reflect.getMetadata(ACCESS_METADATA, handler) as AccessDeclaration | undefined;
      return prefixes.flatMap((prefix) =>
        paths.map((path) => ({
          method: RequestMethod[method],
          path: `/${[prefix, path]
            .map((part) => part.replace(/^\/+|\/+$/g, ''))
            .filter((part) => part !== '')
            .join('/')}`,
          handler: `${metatype.name}.${name}`,
          dialect,
          access,
        })),
      );
    });
  });
}

/**
 * Refuses to boot with a route that does not declare its callers or its dialect, or that names an unregistered dialect.
 */
export function assertRoutesDeclared(discovery: DiscoveryService, scanner: MetadataScanner, dialects: Dialects): void {
  const routes = declaredRoutes(discovery, scanner);
  const silent = routes.filter(({ access, dialect }) => access === undefined || dialect === undefined);
  if (silent.length > 0) {
    throw new Error(
      `These routes declare no @Access or @Public, or their controller no dialect: ${silent.map(({ handler }) => handler).join(', ')}.`,
    );
  }
  const foreign = routes.filter(
    ({ dialect }) => dialect !== undefined && dialect !== OWNER_OF_PATH && !dialects.has(dialect),
  );
  if (foreign.length > 0) {
    throw new Error(
      `These routes speak a dialect that their module did not register with Dialects: ${foreign.map(({ handler }) => handler).join(', ')}.`,
    );
  }
}
