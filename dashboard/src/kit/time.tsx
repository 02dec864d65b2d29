import { formatAgo, formatTime } from '../format/format.js';
import { m } from '../messages/index.js';

/** How long ago, or until when; the exact time on hover. */
export function Time({ of }: { of: string | undefined }) {
  if (of === undefined) return <span className="text-soft">{m.kit.never}</span>;
  return (
    <time dateTime={of} title={formatTime(of)} className="whitespace-nowrap text-soft">
      {formatAgo(of)}
    </time>
  );
}
