import { OperatorError } from '../../platform/errors/index.js';
import type { Finding } from '../../platform/database/index.js';

const MARKS: Readonly<Record<Finding['status'], string>> = { ok: 'ok', warning: 'WARNING', failed: 'FAILED' };

/** What every command that shows something takes. */
export interface OutputOptions {
  readonly json?: boolean;
}

/** The command was written wrong, in a way that only it knows. */
export class UsageError extends OperatorError {}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The value as JSON where that was asked for, else as a person reads it. */
export function show({ json }: OutputOptions, value: object, asText: () => string): void {
  print(json ? JSON.stringify(value, null, 2) : asText());
}

/** Columns as wide as their longest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head.map((title) => title.toUpperCase())), ...rows.map(line)].join('\n');
}

/** One thing: its fields below each other. */
export function fields(entries: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

export function findingsAsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, status, message, fix }) => {
      const indent = ' '.repeat(MARKS.warning.length + width + 4);
      return [
        `${MARKS[status].padEnd(MARKS.warning.length)}  ${check.padEnd(width)}  ${message}`,
        ...(fix ? [`${indent}→ ${fix}`] : []),
      ];
    })
    .join('\n');
}
