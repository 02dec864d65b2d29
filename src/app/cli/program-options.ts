/** What the options of several commands have in common. */
import { InvalidArgumentError, type Command } from 'commander';

const DEFAULT_MOST = 100;

export interface Output {
  readonly json?: boolean;
}

export interface Caller extends Output {
  readonly user?: string;
}

/** What every command has that talks to a running service. */
export function caller(command: Command): Command {
  return withJson(command).option('--user <id>', 'in development: as whom; dev-owner unless GATEHOUSE_TOKEN is set');
}

export function listing(command: Command): Command {
  return command.option('--most <count>', 'how many to show at most', wholeNumber, DEFAULT_MOST);
}

export function examples(command: Command, ...lines: readonly string[]): Command {
  const text = lines.map((line) => `  $ ${line}`).join('\n');
  return withJson(command).addHelpText('after', `\nExample${lines.length > 1 ? 's' : ''}:\n${text}`);
}

function withJson(command: Command): Command {
  const has = command.options.some(({ long }) => long === '--json');
  return has ? command : command.option('--json', 'print JSON, for programs');
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

interface Limit {
  readonly type: string;
  readonly value: number;
}

export function limits(text: string, before: readonly Limit[] = []): readonly Limit[] {
  const [, type, value] = /^([a-z_]+)=(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (type === undefined) throw new InvalidArgumentError('It must be a type and a value, as request_cnt=100.');
  return [...before, { type, value: Number(value) }];
}
