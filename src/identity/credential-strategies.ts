import { Injectable } from '@nestjs/common';
import type { Strategy } from 'passport';
import { Fault } from '../platform/errors/index.js';
import type { AnonymousPrincipal, Principal } from './principal.js';
import type { PathCredential } from './credential.js';
import { refusalOfFailure } from './jsonwebtoken-refusal.js';
import type { PublishableKey } from './publishable-key.js';

/** The headers that one strategy gets to see: its own credential, and nothing else of the request. */
export type PresentedHeaders = Readonly<Record<string, string>>;

/** What a credential is held against. */
interface Surroundings {
  /** The key that was verified before, where the strategy's credential stands beside one. */
  readonly publishableKey: PublishableKey | null;
  /** Of a room's own paths: a token may be good for one gateway alone. */
  readonly pathParameters: Readonly<Record<string, string>>;
}

/** What a strategy's `authenticate` gets for a request. */
export interface PresentedRequest extends Surroundings {
  readonly headers: PresentedHeaders;
}

/** As a declared path begins: whole segments, from slash to slash. */
const PATH_PREFIX = /^\/(?:[^/]+\/)+$/;

/**
 * The Passport strategies of one application, by name. The feature that stores a secret registers the strategy that
 * verifies it. Passport's own registry is the process's, so that two applications in one process would share it.
 */
@Injectable()
export class CredentialStrategies {
  private readonly strategies = new Map<string, object>();
  private readonly issuers = new Map<string, string>();
  private readonly paths: PathCredential[] = [];
  /** The principal of a caller without a credential, on routes that take such callers; null: none. */
  anonymous: AnonymousPrincipal | null = null;

  register(name: string, strategy: Strategy): void {
    this.strategies.set(name, Object.assign(Object.create(strategy) as object, TELLING));
  }

  /** Says which strategy verifies the JWTs of an issuer. */
  registerIssuer(issuer: string, name: string): void {
    this.issuers.set(issuer, name);
  }

  strategyOfIssuer(issuer: string): string | null {
    return this.issuers.get(issuer) ?? null;
  }

  /**
   * Says that a room takes only its own credentials on its own paths.
   * @throws Error where the prefix is not a whole path, or two rooms would decide about one path
   */
  registerPath(credential: PathCredential): void {
    const { pathPrefix } = credential;
    if (!PATH_PREFIX.test(pathPrefix)) throw new Error(`The path prefix ${pathPrefix} must go from slash to slash.`);
    const other = this.paths.find(
      (one) => one.pathPrefix.startsWith(pathPrefix) || pathPrefix.startsWith(one.pathPrefix),
    );
    if (other !== undefined) throw new Error(`Two rooms take credentials under ${pathPrefix} and ${other.pathPrefix}.`);
    this.paths.push(credential);
  }

  /** @param routePath as the route declares it */
  credentialOfPath(routePath: string): PathCredential | null {
    return this.paths.find(({ pathPrefix }) => routePath.startsWith(pathPrefix)) ?? null;
  }

  /**
   * Runs one strategy. A rejected credential is 401; a store or issuer that can't be reached stays an error of its own
   * (503), since calling that a bad credential would hide an outage and sign people out.
   *
   * @throws Fault unauthenticated, or whatever the strategy threw.
   */
  async verify<Verified = Principal>(
    name: string,
    headers: PresentedHeaders,
    surroundings?: Partial<Surroundings>,
  ): Promise<Verified> {
    return this.verifyNow<Verified>(name, headers, surroundings);
  }

  /** The same, without a promise where the strategy tells its outcome at once. @throws as `verify` */
  verifyNow<Verified = Principal>(
    name: string,
    headers: PresentedHeaders,
    { publishableKey = null, pathParameters = NO_PARAMETERS }: Partial<Surroundings> = NO_SURROUNDINGS,
  ): Verified | Promise<Verified> {
    const strategy = this.strategies.get(name);
    if (strategy === undefined) throw new Error(`There is no strategy named ${name}.`);
    const outcome = new Outcome<Verified>();
    const run = Object.create(strategy) as StrategyRun;
    run.outcome = outcome;
    try {
      run.authenticate({ headers, publishableKey, pathParameters });
    } catch (error) {
      outcome.fail(error);
    }
    return outcome.result();
  }
}

const NO_PARAMETERS: Surroundings['pathParameters'] = {};
const NO_SURROUNDINGS: Partial<Surroundings> = {};

/** One run of a strategy, as Passport documents it: an object that inherits from it, with methods for the outcome. */
interface StrategyRun {
  outcome: Outcome<unknown>;
  authenticate(request: PresentedRequest): void;
}

/** The methods by which a strategy tells its outcome; Passport makes them anew for each run. */
const TELLING = {
  success(this: StrategyRun, principal: unknown): void {
    if (principal) this.outcome.succeed(principal);
    else this.outcome.fail(refusalOfFailure(undefined));
  },
  fail(this: StrategyRun, challenge?: unknown): void {
    this.outcome.fail(refusalOfFailure(challenge));
  },
  error(this: StrategyRun, error: unknown): void {
    this.outcome.fail(error);
  },
  pass(this: StrategyRun): void {
    this.outcome.fail(refusalOfFailure(undefined));
  },
  redirect(this: StrategyRun): void {
    this.outcome.fail(new Error('A strategy must not redirect.'));
  },
};

/** What one run came to; the first word counts. */
class Outcome<Verified> {
  private verified: Verified | null = null;
  private failure: Error | null = null;
  private settle: (() => void) | null = null;

  succeed(verified: Verified): void {
    if (this.isTold()) return;
    this.verified = verified;
    this.settle?.();
  }

  fail(error: unknown): void {
    if (this.isTold()) return;
    this.failure =
      error instanceof Error ? error : new Fault('internal', 'An internal error occurred.', { cause: error });
    this.settle?.();
  }

  result(): Verified | Promise<Verified> {
    if (this.failure !== null) throw this.failure;
    if (this.verified !== null) return this.verified;
    return new Promise((resolve, reject) => {
      this.settle = () => {
        if (this.failure === null) resolve(this.verified as Verified);
        else reject(this.failure);
      };
    });
  }

  private isTold(): boolean {
    return this.verified !== null || this.failure !== null;
  }
}
