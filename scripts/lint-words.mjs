// `npm run check -- words`: flags the worst habits of docs/contributing/writing.md in the documents, in the sources' texts that
// people read (error texts, API descriptions, settings), in comments and in titles of tests.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { HABITS, HABITS_OF_CODE } from './words/habits.mjs';
import { linesOf, readProgram, readSql } from './words/texts.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The documents that people read first; docs/ has the others. */
const FRONT = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];
/** These files show the habits as examples. */
const RULES = 'docs/contributing/writing.md';
const EXAMPLES = 'scripts/words/habits.mjs';
const PROGRAMS = ['src', 'test', 'scripts', 'bench', 'dashboard/src', 'dashboard/vite', 'bin'];
const MOST_CHARACTERS = 130;
const HABITS_OF_COMMENTS = [...HABITS, ...HABITS_OF_CODE];
const GENERATED = /^src\/generated\/|^dashboard\/src\/api\/schema\.d\.ts$/;
/** A migration that was merged is never edited. */
const SQL = ['prisma/functions'];

const findings = [
  ...[...FRONT, ...filesOf('docs', /\.md$/)].filter((file) => file !== RULES).flatMap(inDocument),
  ...PROGRAMS.flatMap((folder) => filesOf(folder, /\.(?:tsx?|mjs)$/))
    .filter((file) => file !== EXAMPLES && !GENERATED.test(file))
    .flatMap(inProgram),
  ...SQL.flatMap((folder) => filesOf(folder, /\.sql$/)).flatMap((file) =>
    habitsIn(readSql(root, file), HABITS_OF_COMMENTS),
  ),
];
for (const finding of findings) process.stdout.write(`${finding}\n`);
if (findings.length > 0) process.stdout.write(`${RULES} has the rules, with examples.\n`);
process.exit(findings.length > 0 ? 1 : 0);

function inDocument(file) {
  return habitsIn(linesOf(root, file), HABITS);
}

function inProgram(file) {
  const { texts, titles, comments } = readProgram(root, file);
  const isRead = file.startsWith('src/') && !file.endsWith('.spec.ts');
  return [...(isRead ? habitsIn(texts, HABITS) : []), ...inCode(titles), ...inCode(comments)];
}

function inCode(texts) {
  return [...habitsIn(texts, HABITS_OF_COMMENTS), ...texts.flatMap(tooLong)];
}

/** A directive can't be broken into lines, nor can a type. */
function tooLong({ at, lines = [] }) {
  const long = lines.some(
    (line) => line.length > MOST_CHARACTERS && !/eslint-disable|@(?:param|property|type|typedef)\b/.test(line),
  );
  return long ? [`${at}: a line of this comment has more than ${MOST_CHARACTERS} characters.`] : [];
}

function habitsIn(texts, habits) {
  return texts.flatMap(({ at, text }) =>
    habits.flatMap(([habit, advice]) => {
      const found = habit.exec(text);
      return found === null ? [] : [`${at}: "${found[0]}": ${advice}.`];
    }),
  );
}

function filesOf(folder, ending) {
  return (
    readdirSync(path.join(root, folder), { recursive: true })
      // The bench keeps what it compares with in a folder of its own.
      .filter((name) => ending.test(name) && !name.split(path.sep).includes('node_modules'))
      .map((name) => path.join(folder, name))
      .sort()
  );
}
