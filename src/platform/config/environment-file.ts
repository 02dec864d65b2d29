import type { SettingDefinition } from './setting-definition.js';
import { SETTINGS } from './settings.js';

const LINE_LENGTH = 110;
const NEEDS_NO_QUOTES = /^[\w:/@.,*+=?&%~-]*$/;

/**
 * The text of an `.env` file with every setting, each explained. What `values` names is set; the rest stands commented out
 * with its default, so that it changes nothing.
 */
export function environmentFile(head: string, values: Readonly<Record<string, string>> = {}): string {
  const groups = Map.groupBy<string, SettingDefinition>(Object.values(SETTINGS), ({ group }) => group);
  const sections = [...groups].map(([group, settings]) => {
    const entries = settings.map((setting) => `${explanationOf(setting)}\n${lineOf(setting, values)}`);
    return `# ──────── ${group}\n\n${entries.join('\n\n')}`;
  });
  return `${[head, ...sections].join('\n\n')}\n`;
}

function explanationOf({ description, requiredInProduction, secret, fallbackNote }: SettingDefinition): string {
  const marks = [
    ...(requiredInProduction ? ['Required in production.'] : []),
    ...(secret ? ['Secret.'] : []),
    ...(fallbackNote === undefined ? [] : [`Default: ${fallbackNote}.`]),
  ];
  return wrapped([description, ...marks].join(' '));
}

function lineOf({ variable, fallback }: SettingDefinition, values: Readonly<Record<string, string>>): string {
  const value = values[variable];
  return value === undefined ? `#${variable}=${fallback ?? ''}` : `${variable}=${quoted(value)}`;
}

/** In double quotes `\n` is a line break, to Node and to docker compose. */
function quoted(value: string): string {
  if (NEEDS_NO_QUOTES.test(value)) return value;
  return value.includes('"') ? `'${value}'` : `"${value.replaceAll('\n', '\\n')}"`;
}

function wrapped(text: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replaceAll('`', '').split(/\s+/)) {
    if (line !== '' && line.length + word.length + 1 > LINE_LENGTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => `# ${each}`).join('\n');
}
