import { csvHeader, csvLines, type TableShape } from './usage-csv.js';
import type { Group, UsageRowView } from './usage-query.dto.js';
import { viewSums } from './usage-query.view.js';

const NONE = viewSums({
  calls: '0',
  failed: '0',
  requests: '0',
  input_tokens: '0',
  output_tokens: '0',
  cost: '0',
  unpriced: '0',
  conversational: '0',
  voice: '0',
  memory: '0',
});
const by = (...groupBy: Group[]): TableShape => ({ groupBy, top: 0 });
const row = (over: Partial<UsageRowView>): UsageRowView => ({ ...NONE, ...over });

it('has the columns of its groups, whatever is in the table, and ends each line with CRLF', () => {
  const measures = Object.keys(NONE).join(',');
  expect(csvHeader(by())).toBe(`${measures}\r\n`);
  expect(csvHeader(by('HUMAN', 'HOUR'))).toBe(`startTime,humanId,human,${measures}\r\n`);
  expect(csvLines(by('HUMAN'), [row({}), row({ humanId: 'hum_1' })])).toBe(
    `,,${Object.values(NONE).join(',')}\r\nhum_1,,${Object.values(NONE).join(',')}\r\n`,
  );
});

it('says which row is of all others, where only the largest groups are named', () => {
  const shape = { groupBy: ['MODEL'] as const, top: 1 };
  const none = Object.values(NONE).join(',');
  expect(csvHeader(shape)).toBe(`model,other,${Object.keys(NONE).join(',')}\r\n`);
  expect(csvLines(shape, [row({ model: 'a' }), row({ other: true })])).toBe(`a,,${none}\r\n,true,${none}\r\n`);
});

it.each([
  ['a plain name', 'ann', 'ann'],
  ['a comma', 'Doe, Ann', '"Doe, Ann"'],
  ['a quote', 'the "one"', '"the ""one"""'],
  ['a line break', 'a\r\nb', '"a\r\nb"'],
  ['a formula', '=1+1', "'=1+1"],
  ['a formula with quotes', '=A("x")', `"'=A(""x"")"`],
  ['a plus', '+49', "'+49"],
  ['a minus', '-1', "'-1"],
  ['an at', '@x', "'@x"],
  ['a tab', '\t=1', "'\t=1"],
  ['a formula of wide characters', '＝1+1', "'＝1+1"],
  ['a formula after a space', ' =1+1', "' =1+1"],
  ['a formula after a space that does not break', '\u00a0=1+1', "'\u00a0=1+1"],
  ['a formula after an invisible character', '\u200b=1+1', "'\u200b=1+1"],
  ['a formula after a byte order mark', '\ufeff@x', "'\ufeff@x"],
  ['a wide plus, minus and at', '＋－＠', "'＋－＠"],
  ['a formula after a semicolon', 'a;=1+1', `"a;'=1+1"`],
  ['a wide one after a semicolon and a space', 'a; ＠x', `"a; '＠x"`],
  ['letters beyond ASCII', 'Zoë', 'Zoë'],
  ['a carriage return', '\r=1', `"'\r=1"`],
])('writes %s', (_, model, cell) => {
  expect(csvLines(by('MODEL'), [row({ model })]).slice(0, -2)).toBe(`${cell},${Object.values(NONE).join(',')}`);
});

it('leaves a sum below 0 a number', () => {
  expect(csvLines(by(), [row({ callCnt: '-1' })])).toMatch(/^-1,/);
});
