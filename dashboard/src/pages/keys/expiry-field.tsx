import { SelectField } from '../../kit/fields.js';
import { m } from '../../messages/index.js';

const DAY_MS = 86_400_000;
const KEEP = 'keep';
const DAYS = ['', '7', '30', '90', '365'];

/** When a key or a token ends. */
export function ExpiryField({ keeps = false }: { keeps?: boolean }) {
  const offered = keeps ? [KEEP, ...DAYS] : DAYS;
  return (
    <SelectField
      name="expiresAt"
      label={m.keyForm.expires}
      defaultValue={offered[0]}
      options={offered.map((days) => [days, m.keyForm.expiry[days] ?? days])}
    />
  );
}

export function expiryOf(days: string): { expiresAt?: string } {
  if (days === KEEP || days === '') return {};
  // Rounded to minutes: a retry after a lost answer is then the same request.
  const at = Math.ceil((Date.now() + Number(days) * DAY_MS) / 60_000) * 60_000;
  return { expiresAt: new Date(at).toISOString() };
}
