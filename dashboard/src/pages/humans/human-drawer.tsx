import { Link } from '@tanstack/react-router';
import { useMay } from '../../api/may.js';
import type { Human } from '../../api/types.js';
import { formatAgo, formatTime } from '../../format/format.js';
import { buttonClass } from '../../kit/button.js';
import { Drawer } from '../../kit/dialog.js';
import { Facts } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { Budgets } from '../budgets/budgets.js';
import { MonthOf } from '../usage/month-of.js';

/** One human: when they were last seen, their usage, and their limits and budgets with what is used, held and left. */
export function HumanDrawer({ of, onClose }: { of: Human; onClose: () => void }) {
  const may = useMay();
  const { human, createdAt, lastSeenAt } = of;
  return (
    <Drawer open title={human} onClose={onClose}>
      <div className="grid grid-cols-[minmax(0,1fr)] gap-5">
        <Facts
          rows={[
            [m.humans.columns.human, human],
            [m.humans.columns.seen, lastSeenAt === undefined ? m.kit.never : formatAgo(lastSeenAt)],
            [m.humans.columns.since, formatTime(createdAt)],
          ]}
        />
        <MonthOf filter={{ human }} />
        <div className="flex flex-wrap gap-2">
          <Link to="/usage" search={{ human }} className={buttonClass('outline', 'small')}>
            {m.humans.usage}
          </Link>
          <Link to="/calls" search={{ human }} className={buttonClass('outline', 'small')}>
            {m.humans.calls}
          </Link>
          {may('POST /api/v1/usage/list-tokens') ? (
            <Link to="/tokens" search={{ human }} className={buttonClass('outline', 'small')}>
              {m.nav.tokens}
            </Link>
          ) : null}
        </div>
        <Budgets holder={{ human }} lead={m.humans.budgetsLead} />
      </div>
    </Drawer>
  );
}
