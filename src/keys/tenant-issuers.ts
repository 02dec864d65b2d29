import { Inject, Injectable } from '@nestjs/common';
import { CredentialStrategies, type DashboardUserPrincipal, type Role } from '../identity/index.js';
import { SETTINGS_TOKEN, type Settings } from '../platform/config/index.js';
import { Fault, invalidField } from '../platform/errors/index.js';
import { OutboundHttp } from '../platform/outbound/index.js';
import { assertApart } from './issuer-prefixes.js';
import type { OidcConfigRequest } from './keys.dto.js';
import { KeysRepository, type ApiKeyChanges, type TenantKeys } from './keys.repository.js';

const MAY_SET: ReadonlySet<Role> = new Set<Role>(['owner', 'admin']);

/**
 * Whose users a tenant's publishable keys take. Who controls an issuer can be any human of it: so only owners and admins name
 * one, its addresses are such as a tenant may have us call, and no two issuers of a tenant have humans in common.
 */
@Injectable()
export class TenantIssuers {
  constructor(
    private readonly repository: KeysRepository,
    private readonly outbound: OutboundHttp,
    private readonly strategies: CredentialStrategies,
    @Inject(SETTINGS_TOKEN) private readonly settings: Pick<Settings, 'publishableDefaultIssuer'>,
  ) {}

  /** @throws Fault permission_denied, invalid_input */
  assertMaySet({ role }: DashboardUserPrincipal, { issuer, jwksUri }: OidcConfigRequest): void {
    if (!MAY_SET.has(role)) {
      const reason = `the role ${role} may not set it: an issuer can sign in as any human. Ask an owner or admin`;
      throw new Fault('permission_denied', `oidcConfig: ${reason}.`, { fields: [{ field: 'oidcConfig', reason }] });
    }
    this.outbound.assertAllowedUrl(issuer, 'oidcConfig.issuer');
    // Its tokens say who signs in here; those of end users it lends only by its own rules (PUBLISHABLE_DEFAULT_ISSUER).
    if (this.strategies.strategyOfIssuer(issuer) !== null)
      throw invalidField('oidcConfig.issuer', "is the platform's own");
    // OpenID Connect Discovery 1.0, section 3. The path of its document could not be put behind one.
    if (issuer.includes('?')) throw invalidField('oidcConfig.issuer', 'must not have a query');
    if (jwksUri !== '') this.outbound.assertAllowedUrl(jwksUri, 'oidcConfig.jwksUri');
  }

  /** @throws Fault invalid_input: a key must name its issuer, unless the operator lends the platform's */
  assertMayLack(): void {
    if (this.settings.publishableDefaultIssuer !== 'platform') throw invalidField('oidcConfig', 'is required');
  }

  /**
   * Holds until the transaction ends: of two that come at once, the second one sees what the first one wrote.
   *
   * @param keyId null: a new key
   * @throws Fault conflict
   */
  async assertApart(keys: TenantKeys, { oidcIssuer, humanPrefix }: ApiKeyChanges, keyId: string | null): Promise<void> {
    await this.repository.lockIssuers(keys);
    const others = await this.repository.listIssuers(keys, keyId);
    assertApart({ issuer: oidcIssuer ?? null, humanPrefix: humanPrefix ?? '' }, others);
  }
}
