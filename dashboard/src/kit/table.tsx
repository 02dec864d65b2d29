import { clsx } from 'clsx';
import { useEffect, useState, type ReactNode } from 'react';
import type { Pages } from '../api/queries.js';
import { m } from '../messages/index.js';
import { Button } from './button.js';
import { Await } from './fault.js';

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ReactNode;
  readonly align?: 'end';
  /** Narrower than its content: long text is cut. */
  readonly className?: string;
  /** Left out on a phone, where the first column and the actions are apart anyway. */
  readonly wideOnly?: boolean;
}

interface TableProps<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** The first column names the row. */
  readonly columns: readonly [Column<Row>, ...Column<Row>[]];
  readonly actions?: (row: Row) => ReactNode;
  /** Absent: only screen readers get the heading. */
  readonly actionsHead?: string;
}

const NARROW = '(max-width: 767px)';

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const media = matchMedia(NARROW);
    const listen = (): void => setNarrow(media.matches);
    media.addEventListener('change', listen);
    return () => media.removeEventListener('change', listen);
  }, []);
  return narrow;
}

/** Rows: a table where there is room, otherwise a list with the same content. */
export function Table<Row>(props: TableProps<Row>) {
  return useNarrow() ? <Cards {...props} /> : <WideTable {...props} />;
}

function WideTable<Row>({ label, rows, keyOf, columns, actions, actionsHead }: TableProps<Row>) {
  return (
    <div className="overflow-x-auto">
      <table aria-label={label} className="w-full">
        <thead className="text-left text-xs text-soft">
          <tr>
            {columns.map(({ head, align }) => (
              <th
                key={head}
                scope="col"
                className={clsx(
                  'px-4 py-2.5 font-medium whitespace-nowrap first:pl-5 last:pr-5',
                  align && 'text-right',
                )}
              >
                {head}
              </th>
            ))}
            {actions ? (
              <th scope="col" className="py-2.5 pr-5 text-right font-medium">
                {actionsHead ?? <span className="sr-only">{m.kit.actions}</span>}
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} className="border-t border-line transition-colors hover:bg-sunken/70">
              {columns.map(({ head, cell, align, className }, index) => {
                const Cell = index === 0 ? 'th' : 'td';
                return (
                  <Cell
                    key={head}
                    {...(index === 0 ? { scope: 'row' } : {})}
                    className={clsx(
                      'px-4 py-2.5 text-left align-middle font-normal first:pl-5 last:pr-5',
                      align && 'num text-right',
                      className,
                    )}
                  >
                    {cell(row)}
                  </Cell>
                );
              })}
              {actions ? <td className="w-px py-2 pr-3 text-right whitespace-nowrap">{actions(row)}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cards<Row>({ label, rows, keyOf, columns: [first, ...others], actions }: TableProps<Row>) {
  return (
    <ul aria-label={label}>
      {rows.map((row) => (
        <li key={keyOf(row)} className="border-t border-line px-5 py-3.5 first:border-0">
          <div className="flex items-start gap-2">
            <div className="min-w-0 flex-1">{first.cell(row)}</div>
            {actions ? <div className="-mt-1 -mr-1.5 shrink-0">{actions(row)}</div> : null}
          </div>
          <dl className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-1.5 text-[13px]">
            {others
              .filter(({ wideOnly }) => wideOnly !== true)
              .map(({ head, cell }) => ({ head, value: cell(row) }))
              .filter(({ value }) => value !== '' && value !== undefined)
              .map(({ head, value }) => (
                <div key={head} className="flex max-w-full items-center gap-1.5">
                  <dt className="text-xs text-faint">{head}</dt>
                  <dd className="num min-w-0 break-words">{value}</dd>
                </div>
              ))}
          </dl>
        </li>
      ))}
    </ul>
  );
}

interface ListProps<Row> extends Omit<TableProps<Row>, 'rows'> {
  readonly pages: Pages<Row>;
  readonly empty: ReactNode;
}

/** A long list with its states, and a button that loads more. */
export function List<Row>({ pages, empty, ...table }: ListProps<Row>) {
  const { rows = [], hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  return (
    <Await query={pages}>
      {rows.length === 0 ? empty : <Table rows={rows} {...table} />}
      {hasNextPage ? (
        <div className="flex items-center justify-center gap-3 border-t border-line p-3">
          <span className="text-[13px] text-soft">{m.kit.shown(rows.length)}</span>
          <Button size="small" busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            {m.kit.more}
          </Button>
        </div>
      ) : null}
    </Await>
  );
}
