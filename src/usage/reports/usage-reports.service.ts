import { Injectable } from '@nestjs/common';
import { auditSubject, type DashboardUserPrincipal, type SecretKeyPrincipal } from '../../identity/index.js';
import { uuidV7 } from '../../platform/crypto/index.js';
import { Fault, invalidField } from '../../platform/errors/index.js';
import { IdempotencyKeys, type IdempotentAnswer } from '../../platform/idempotency/index.js';
import type { ReportUsageRequest } from './usage-reports.dto.js';
import { UsageReportsRepository, type CountedReport, type UsageReport } from './usage-reports.repository.js';

/** Who may report: a tenant's people and its servers. */
export type ReportingPrincipal = DashboardUserPrincipal | SecretKeyPrincipal;

/** Usage that the platform can't see, reported by the tenant's own servers. */
@Injectable()
export class UsageReportsService {
  constructor(
    private readonly repository: UsageReportsRepository,
    private readonly idempotency: IdempotencyKeys,
  ) {}

  /**
   * Counts a report once: one transaction writes it to the ledger and takes it from the human's limit. It may go beyond the
   * limit, since the usage has already happened.
   *
   * @throws Fault invalid_input: another human than the request charges; conflict: the key was used for another report
   */
  async report(
    principal: ReportingPrincipal,
    request: ReportUsageRequest,
    headerKey: string | null,
  ): Promise<IdempotentAnswer> {
    const { tenantId } = principal;
    if (principal.kind === 'secretKey' && principal.human !== null && principal.human !== request.human) {
      throw invalidField('human', 'must be the same as x-human-id');
    }
    const owner = `tenant:${tenantId}:${auditSubject(principal)}`;
    const idempotent = this.idempotency.request(owner, headerKey, 'usage/report', request);
    const report = reportOf(principal, request);
    // Without a header one statement does all the work.
    if (idempotent === null) return answerTo(await this.repository.add(tenantId, report));
    return this.repository.change(tenantId, async (tx) => {
      let known = false;
      const answer = await this.idempotency.once(tx, idempotent, tenantId, async () => {
        const { body, replayed } = answerTo(await this.repository.addWithin(tx, tenantId, report));
        known = replayed;
        return { body, kept: body };
      });
      return { ...answer, replayed: answer.replayed || known };
    });
  }
}

function reportOf(
  principal: ReportingPrincipal,
  { type, value: microUnits, human, idempotencyKey }: ReportUsageRequest,
): UsageReport {
  const [keyId, userId] = principal.kind === 'secretKey' ? [principal.keyId, null] : [null, principal.userId];
  return { id: uuidV7(), human, keyId, userId, type, microUnits, idempotencyKey };
}

/** @throws Fault conflict, permission_denied */
function answerTo({ outcome, reportId }: CountedReport): IdempotentAnswer {
  if (outcome === 'gone') throw new Fault('permission_denied', 'The tenant was deleted.');
  if (outcome === 'other') throw usedOtherwise();
  return { body: { reportId }, replayed: outcome === 'known' };
}

function usedOtherwise(): Fault {
  const reason = 'was used for another report; send a new one';
  return new Fault('conflict', `idempotencyKey: ${reason}`, { fields: [{ field: 'idempotencyKey', reason }] });
}
