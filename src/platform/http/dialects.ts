import { Injectable } from '@nestjs/common';
import { pathOf } from './logged-path.js';
import { PLATFORM_DIALECT } from './platform.dialect.js';
import type { Dialect } from './dialect.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Set by the composition root. */
    dialects: Dialects;
  }
  interface FastifyRequest {
    /** The dialect of the controller that the request reached; absent where it reached no controller. */
    dialect: Dialect | undefined;
  }
}

interface Owned {
  readonly prefix: string;
  readonly dialect: Dialect;
}

/** The dialects that rooms have registered, by the prefixes that they own. */
@Injectable()
export class Dialects {
  /** Longest prefix first. */
  private owned: readonly Owned[] = [];

  constructor() {
    this.register(PLATFORM_DIALECT);
  }

  /** @throws Error where another dialect owns one of its prefixes */
  register(dialect: Dialect): void {
    for (const prefix of dialect.prefixes) {
      const other = this.owned.find((owned) => owned.prefix === prefix)?.dialect;
      if (other !== undefined && other !== dialect) {
        throw new Error(`The dialects ${other.name} and ${dialect.name} both claim ${prefix}: give it to one of them.`);
      }
      this.owned = [...this.owned, { prefix, dialect }].sort((a, b) => b.prefix.length - a.prefix.length);
    }
  }

  has(dialect: Dialect): boolean {
    return this.owned.some((owned) => owned.dialect === dialect);
  }

  /** The dialect that owns a path, for requests that reach no controller with a dialect. */
  ofPath(url: string): Dialect {
    // Extra slashes at the beginning do not change the owner of a path.
    const path = pathOf(url).replace(/^\/+/, '/');
    const owned = this.owned.find(
      ({ prefix }) => path === prefix || path.startsWith(prefix === '/' ? '/' : `${prefix}/`),
    );
    return owned?.dialect ?? PLATFORM_DIALECT;
  }
}
