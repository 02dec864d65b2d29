import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { answerOf, api } from '../../api/client.js';
import { useMay } from '../../api/may.js';
import type { ApiKey } from '../../api/types.js';
import { formatAgo, formatTime, formatWhole } from '../../format/format.js';
import { buttonClass } from '../../kit/button.js';
import { Drawer } from '../../kit/dialog.js';
import { Await } from '../../kit/fault.js';
import { Facts, Mono } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { Budgets } from '../budgets/budgets.js';
import { MonthOf } from '../usage/month-of.js';

/** One key: who made it, its scopes, its usage, and its own budgets. */
export function KeyDrawer({ of, onClose }: { of: ApiKey; onClose: () => void }) {
  const may = useMay();
  const { keyId } = of;
  const key = useQuery({
    queryKey: ['keys', 'one', keyId],
    queryFn: async ({ signal }) =>
      (await answerOf(api.POST('/api/v1/api-keys/get', { body: { keyId }, signal }))).apiKey,
    placeholderData: of,
  });
  return (
    <Drawer open title={of.name} onClose={onClose}>
      <Await query={key}>
        {key.data === undefined ? null : (
          <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
            <Facts rows={factsOf(key.data)} />
            {may('POST /api/v1/usage/query') ? <MonthOf filter={{ keyId }} /> : null}
            <div className="flex flex-wrap gap-2">
              <Link to="/usage" search={{ keyId }} className={buttonClass('outline', 'small')}>
                {m.keys.usage}
              </Link>
              <Link to="/calls" search={{ keyId }} className={buttonClass('outline', 'small')}>
                {m.keys.calls}
              </Link>
            </div>
            {may('POST /api/v1/budgets/list') ? <Budgets holder={{ keyId }} lead={m.keys.budgetsLead} /> : null}
          </div>
        )}
      </Await>
    </Drawer>
  );
}

function factsOf(key: ApiKey) {
  const { facts } = m.keys;
  const { createdBy, rotatedAt, oldSecretsExpireAt, lastUsedAt, expiresAt, models, permissions } = key;
  return [
    [facts.id, <Mono>{key.keyId}</Mono>],
    [facts.begins, <Mono>{key.keyPrefix}…</Mono>],
    ...(key.description === '' ? [] : [[m.keyForm.description, key.description] as const]),
    [facts.createdBy, createdBy.email ?? createdBy.userId],
    [facts.created, formatTime(key.createdAt)],
    [facts.rotated, rotatedAt === undefined ? m.kit.never : formatTime(rotatedAt)],
    ...(oldSecretsExpireAt === undefined
      ? []
      : [[facts.oldSecret, m.keyRotate.until(formatTime(oldSecretsExpireAt))] as const]),
    [facts.used, lastUsedAt === undefined ? m.kit.never : formatAgo(lastUsedAt)],
    [facts.expires, expiresAt === undefined ? m.kit.never : formatTime(expiresAt)],
    [facts.limit, m.keys.perMinute(formatWhole(key.rateLimit.requestsPerMinute))],
    [m.keyForm.models, models.length === 0 ? m.kit.all : models.join(', ')],
    [m.keyForm.scopes, permissions.join(', ')],
    ...(key.oidcConfig === undefined ? [] : [[m.keyForm.issuer, key.oidcConfig.issuer] as const]),
  ] as const;
}
