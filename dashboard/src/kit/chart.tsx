import { AxisBottom, AxisLeft } from '@visx/axis';
import { GridRows } from '@visx/grid';
import { Group } from '@visx/group';
import { scaleBand, scaleLinear, scaleOrdinal } from '@visx/scale';
import { BarStack } from '@visx/shape';
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import { m } from '../messages/index.js';

export interface Series {
  readonly name: string;
  /** One for each bucket. */
  readonly values: readonly number[];
}

const COLORS = ['var(--s1)', 'var(--s2)', 'var(--s3)', 'var(--s4)', 'var(--s5)', 'var(--s6)'];
const colorOf = (index: number): string => COLORS[index % COLORS.length] ?? '';

const MARGIN = { top: 10, right: 4, bottom: 26 };
const TICK = { fill: 'var(--faint)', fontSize: 11, fontFamily: 'inherit' };
const TICK_CHARACTER_PX = 6.6;
const LABEL_PX = 78;
const STEPS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

interface StackedBarsProps {
  readonly title: string;
  /** When each bucket begins. */
  readonly buckets: readonly string[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly tickOf: (bucket: string) => string;
  readonly nameOf: (bucket: string) => string;
  readonly height?: number;
}

type Row = Readonly<Record<string, number | string>> & { readonly bucket: string };

/** Stacked bars over time: read by eye, by the arrow keys, and by a screen reader, one bucket after another. */
export function StackedBars({ title, buckets, series, format, tickOf, nameOf, height = 240 }: StackedBarsProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const hint = useId();
  const [at, setAt] = useState<number | null>(null);
  const keys = useMemo(() => series.map((_, index) => String(index)), [series]);
  const rows = useMemo<Row[]>(
    () =>
      buckets.map((bucket, place) => ({
        ...Object.fromEntries(series.map(({ values }, index) => [String(index), values[place] ?? 0])),
        bucket,
      })),
    [buckets, series],
  );
  const sums = useMemo(
    () => buckets.map((_, place) => series.reduce((sum, { values }) => sum + (values[place] ?? 0), 0)),
    [buckets, series],
  );
  const y = scaleLinear<number>({ domain: [0, Math.max(...sums, 0) || 1], nice: 4 });
  const ticks = y.ticks(4);
  const left = Math.max(...ticks.map((tick) => format(tick).length)) * TICK_CHARACTER_PX + 14;
  const inner = { width: Math.max(0, width - left - MARGIN.right), height: height - MARGIN.top - MARGIN.bottom };
  y.range([inner.height, 0]);
  const x = scaleBand<string>({ domain: [...buckets], range: [0, inner.width], padding: 0.3 });
  const color = scaleOrdinal<string, string>({ domain: keys, range: keys.map((_, index) => colorOf(index)) });
  const every = Math.max(1, Math.ceil((buckets.length * LABEL_PX) / Math.max(1, inner.width)));
  const labelled = buckets.filter((_, place) => place % every === Math.floor(every / 2));
  const last = buckets.length - 1;
  const shown = at ?? last;

  const onKeyDown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (event.key === 'Escape') setAt(null);
    if (step === undefined) return;
    event.preventDefault();
    setAt(Math.min(last, Math.max(0, (at ?? last + (step < 0 ? 1 : 0)) + step)));
  };
  return (
    <div ref={box} className="relative" style={{ height }}>
      {width === 0 ? null : (
        <svg
          width={width}
          height={height}
          role="slider"
          tabIndex={0}
          aria-label={title}
          aria-valuemin={0}
          aria-valuemax={Math.max(0, last)}
          aria-valuenow={Math.max(0, shown)}
          aria-valuetext={`${nameOf(buckets[shown] ?? '')}: ${format(sums[shown] ?? 0)}`}
          aria-describedby={hint}
          className="block rounded-md"
          onKeyDown={onKeyDown}
          onBlur={() => setAt(null)}
          onPointerLeave={() => setAt(null)}
          onPointerMove={(event) => {
            const from = event.clientX - event.currentTarget.getBoundingClientRect().left - left;
            const place = Math.floor((from / Math.max(1, inner.width)) * buckets.length);
            setAt(from < 0 || place > last ? null : place);
          }}
        >
          <Group left={left} top={MARGIN.top}>
            <GridRows scale={y} width={inner.width} tickValues={ticks} stroke="var(--line)" strokeDasharray="3 4" />
            {at === null ? null : (
              <rect
                x={(x(buckets[at] ?? '') ?? 0) - (x.step() * x.padding()) / 2}
                width={x.step()}
                height={inner.height}
                rx={3}
                fill="var(--line)"
                opacity={0.6}
              />
            )}
            <BarStack<Row, string>
              data={rows}
              keys={keys}
              x={({ bucket }) => bucket}
              xScale={x}
              yScale={y}
              color={color}
              value={(row, key) => Number(row[key])}
            >
              {(stacks) =>
                stacks.map((stack) =>
                  stack.bars.map((bar) => (
                    <rect
                      key={`${stack.index}-${bar.index}`}
                      x={bar.x}
                      y={bar.y}
                      width={bar.width}
                      height={Math.max(0, bar.height)}
                      fill={bar.color}
                      rx={Math.min(1.5, bar.height / 2)}
                    />
                  )),
                )
              }
            </BarStack>
            <AxisLeft
              scale={y}
              tickValues={ticks}
              hideAxisLine
              hideTicks
              tickFormat={(value) => format(Number(value))}
              tickLabelProps={{ ...TICK, textAnchor: 'end', dx: -4, dy: 4 }}
            />
            <AxisBottom
              scale={x}
              top={inner.height}
              tickValues={labelled}
              hideTicks
              stroke="var(--strong)"
              tickFormat={tickOf}
              tickLabelProps={{ ...TICK, textAnchor: 'middle', dy: 2 }}
            />
          </Group>
        </svg>
      )}
      <span id={hint} className="sr-only">
        {m.kit.chartHint}
      </span>
      {at === null || width === 0 ? null : (
        <Tip
          place={left + (x(buckets[at] ?? '') ?? 0) + x.bandwidth() / 2}
          width={width}
          name={nameOf(buckets[at] ?? '')}
          rows={series.map(({ name, values }) => [name, format(values[at] ?? 0)])}
          total={format(sums[at] ?? 0)}
        />
      )}
    </div>
  );
}

interface TipProps {
  readonly place: number;
  readonly width: number;
  readonly name: string;
  readonly rows: readonly (readonly [string, string])[];
  readonly total: string;
}

const TIP_PX = 216;

function Tip({ place, width, name, rows, total }: TipProps) {
  const left = place < width / 2 ? place + 14 : place - TIP_PX - 14;
  return (
    <div
      aria-hidden
      className="pointer-events-none absolute top-2 z-10 rounded-lg border border-line bg-raised p-3 text-xs shadow-lg"
      style={{ width: TIP_PX, left: Math.min(Math.max(0, left), Math.max(0, width - TIP_PX)) }}
    >
      <div className="mb-1.5 font-medium">{name}</div>
      {rows.map(([label, value], index) => (
        <div key={label} className="flex items-center gap-2 py-0.5 text-soft">
          <Dot index={index} />
          <span className="min-w-0 flex-1 truncate">{label}</span>
          <span className="num text-ink">{value}</span>
        </div>
      ))}
      <div className="mt-1.5 flex justify-between border-t border-line pt-1.5 font-medium">
        <span>{m.kit.total}</span>
        <span className="num">{total}</span>
      </div>
    </div>
  );
}

function Dot({ index }: { index: number }) {
  return <span className="size-2 shrink-0 rounded-[3px]" style={{ background: colorOf(index) }} />;
}

export function Legend({ names }: { names: readonly string[] }) {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1.5 text-[13px] text-soft">
      {names.map((name, index) => (
        <li key={name} className="flex max-w-56 items-center gap-2">
          <Dot index={index} />
          <span className="truncate">{name}</span>
        </li>
      ))}
    </ul>
  );
}

function useWidth(box: RefObject<HTMLDivElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const { current } = box;
    if (current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(current);
    return () => observer.disconnect();
  }, [box]);
  return width;
}
