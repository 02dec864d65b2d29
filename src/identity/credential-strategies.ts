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
 * verifies it. Passport's own registry is the process's, so that two applications in one process would share it: hence
 * an instance of our own.
 */
@Injectable()
export class CredentialStrategies {
  /** What each run of a strategy inherits from. */
  private readonly runs = new Map<string, StrategyRun>();
  private readonly issuers = new Map<string, string>();
  private readonly paths: PathCredential[] = [];
  /** The principal of a caller without a credential, on routes that take such callers; null: none. */
  anonymous: AnonymousPrincipal | null = null;

  register(name: string, strategy: Strategy): void {
    this.runs.set(name, Object.assign(Object.create(strategy) as StrategyRun, OUTCOMES));
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
  verify<Verified = Principal>(
    name: string,
    headers: PresentedHeaders,
    { publishableKey = null, pathParameters = NO_PARAMETERS }: Partial<Surroundings> = NO_SURROUNDINGS,
  ): Promise<Verified> {
    const inherited = this.runs.get(name);
    if (inherited === undefined) return Promise.reject(new Error(`There is no strategy named ${name}.`));
    return new Promise((resolve, reject) => {
      // As Passport runs a strategy: an object that inherits from it tells the outcome.
      const run = Object.create(inherited) as StrategyRun;
      run.onVerified = resolve as (principal: unknown) => void;
      run.onRefused = reject;
      try {
        run.authenticate({ headers, publishableKey, pathParameters });
      } catch (error) {
        run.error(error);
      }
    });
  }
}

const NO_PARAMETERS: Surroundings['pathParameters'] = {};
const NO_SURROUNDINGS: Partial<Surroundings> = {};

/** What a strategy may say of one request, as Passport documents it. */
interface Outcomes {
  success(principal: unknown): void;
  fail(challenge?: unknown): void;
  error(error: unknown): void;
  pass(): void;
  redirect(): void;
}

interface StrategyRun extends Outcomes {
  onVerified: (principal: unknown) => void;
  onRefused: (error: Error) => void;
  authenticate(request: PresentedRequest): void;
}

/** Shared by all runs: functions made for each run and assigned to it would stay in V8's old space (decision 0020). */
const OUTCOMES: Outcomes & ThisType<StrategyRun> = {
  success(principal) {
    if (principal) this.onVerified(principal);
    else this.onRefused(refusalOfFailure(undefined));
  },
  fail(challenge) {
    this.onRefused(refusalOfFailure(challenge));
  },
  error(error) {
    this.onRefused(asError(error));
  },
  pass() {
    this.onRefused(refusalOfFailure(undefined));
  },
  redirect() {
    this.onRefused(new Error('A strategy of credentials must not redirect.'));
  },
};

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Fault('internal', 'An internal error occurred.', { cause: error });
}
