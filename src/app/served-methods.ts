import { Injectable } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { OWNER_OF_PATH, type Dialect } from '../platform/http/index.js';
import { declaredRoutes } from './assert-routes-declared.js';

interface ServedPath {
  readonly pattern: RegExp;
  readonly method: string;
  readonly dialect: Dialect | undefined;
}

/** Which methods a path is served with. */
@Injectable()
export class ServedMethods {
  private paths: readonly ServedPath[] | null = null;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  /** Null: no route has this path. */
  find(path: string): { readonly methods: readonly string[]; readonly dialect: Dialect | undefined } | null {
    // Only asked when controllers are known.
    this.paths ??= declaredRoutes(this.discovery, this.scanner)
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path: declared, dialect }) => ({
        pattern: patternOf(declared),
        method,
        dialect: dialect === OWNER_OF_PATH ? undefined : dialect,
      }));
    const served = this.paths.filter(({ pattern }) => pattern.test(path));
    if (served.length === 0) return null;
    // The server answers HEAD wherever it answers GET.
    const methods = served.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    return { methods: [...new Set(methods)].sort(), dialect: served[0]?.dialect };
  }
}

/** The router's own reading: `:name` is one segment, `*name` all that follows, a slash at the end changes nothing. */
function patternOf(path: string): RegExp {
  const parts = path.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    if (part.startsWith('*')) return '.+';
    return part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('/')}/?$`);
}
