import { Inject, Injectable } from '@nestjs/common';
import { Strategy } from 'passport';
import {
  CredentialStrategies,
  GATEWAY_TOKEN_STRATEGY,
  RefusedCredential,
  refusedCredential,
  type AnonymousPrincipal,
  type GatewayTokenPrincipal,
  type PresentedRequest,
} from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { isGatewayToken } from './gateway-token.format.js';
import { GatewayDirectory } from './gateway.directory.js';

/** `cf-aig-authorization` goes first: such clients use Authorization for the provider's key. */
const HEADERS = ['cf-aig-authorization', 'authorization'] as const;

/**
 * Verifies gateways' tokens, on gateways' paths alone. Guarantee: success means that the token is a live one of the gateway
 * in the path, or that the gateway is open and the operator allows that. A malformed token is refused before it is looked up;
 * a store that can't be reached is an error, not a refusal. An open gateway treats a bad token as no token.
 */
@Injectable()
export class GatewayTokenStrategy extends Strategy {
  constructor(
    private readonly directory: GatewayDirectory,
    strategies: CredentialStrategies,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'openGateways'>,
  ) {
    super();
    strategies.register(GATEWAY_TOKEN_STRATEGY, this);
    strategies.registerPath({
      pathPrefix: '/gateways/',
      strategy: GATEWAY_TOKEN_STRATEGY,
      headers: HEADERS,
      judgesNone: true,
    });
  }

  override authenticate(request: unknown): void {
    this.principalOf(request as PresentedRequest).then(
      (principal) => this.success(principal),
      (error: unknown) => this.error(error),
    );
  }

  /** @throws Fault unauthenticated, unavailable */
  private async principalOf({
    headers,
    pathParameters,
  }: PresentedRequest): Promise<GatewayTokenPrincipal | AnonymousPrincipal> {
    const gatewayId = pathParameters['gatewayId'] ?? '';
    const token = headers['authorization']?.replace(/^Bearer /, '') ?? null;
    try {
      if (token === null) throw refusedCredential('missing');
      if (!isGatewayToken(token)) throw refusedCredential('malformed_key');
      return await this.directory.authenticate(gatewayId, token);
    } catch (error) {
      if (!(error instanceof RefusedCredential) || this.settings.openGateways === 'off') throw error;
      return (await this.anonymousOf(gatewayId)) ?? Promise.reject(error);
    }
  }

  private async anonymousOf(gatewayId: string): Promise<AnonymousPrincipal | null> {
    if (gatewayId.includes('\0')) return null;
    const gateway = await this.directory.findGateway(gatewayId);
    if (gateway === null || gateway.authenticated) return null;
    return Object.freeze({ kind: 'anonymous', tenantId: gateway.tenantId, gatewayId });
  }
}
