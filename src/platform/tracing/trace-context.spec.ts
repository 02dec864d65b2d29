import { headersOf, traceContextOf } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const PARENT = `00-${TRACE}-${SPAN}-01`;

it('passes a valid context on unchanged', () => {
  const context = traceContextOf({ traceparent: PARENT, tracestate: 'vendor=value' })!;
  expect(context.traceId).toBe(TRACE);
  expect(headersOf(context)).toEqual(['traceparent', PARENT, 'tracestate', 'vendor=value']);
  const later = `01-${TRACE}-${SPAN}-01-more`;
  expect(traceContextOf({ traceparent: later })?.traceparent).toBe(later);
});

it.each([
  ['nothing', undefined],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
  ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
  ['the forbidden version', `ff-${TRACE}-${SPAN}-01`],
  ['capitals', PARENT.toUpperCase()],
  ['another form', 'sk_gh_0123456789'],
  ['a long one', `01-${TRACE}-${SPAN}-01-${'x'.repeat(200)}`],
])('rejects %s', (_what, traceparent) => {
  expect(traceContextOf({ ...(traceparent === undefined ? {} : { traceparent }) })).toBeNull();
});

it.each([
  ['is long', 'a='.padEnd(600, 'x')],
  ['has other characters', 'a=\u00e9'],
])('drops a state that %s, and keeps the rest', (_what, tracestate) => {
  expect(headersOf(traceContextOf({ traceparent: PARENT, tracestate })!)).toEqual(['traceparent', PARENT]);
});
