// `npm run check -- words`: flags the worst habits of docs/contributing/writing.md in the documents, and in the texts of the
// sources that people read: error texts, API descriptions, settings.
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Where the documents are that people read first; docs/ has the others. */
const FRONT = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];
/** It shows the habits. */
const RULES = 'docs/contributing/writing.md';
const SQL = /\b(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/;

/** What to look for, and what to write instead. */
const HABITS = [
  [
    /\b(?:nobody(?! to run it)|whoever|whomever|whosoever)\b/i,
    'name the subject: "no user", "anyone who", "the caller"',
  ],
  [
    /\bnone (?:that|of those|who)\b|(?<!there )\b(?:is|are) none\b(?! of)/i,
    'say what is not the case: "is not a valid address"',
  ],
  [/\bis there already\b|\bare there already\b/i, 'write "already exists"'],
  [/\ball the same\b/i, 'leave it out, or write "anyway"'],
  [/\blets? go of\b/i, 'write "releases" or "removes"'],
  [/\bcomes? to exist\b|\bcame? about\b/i, 'write "is created" or "happens"'],
  [/(?<!there )\b(?:is|are) no (?!longer\b|more\b)[a-z]+/i, 'write "is not a …"'],
  [/\b(?:key|secret|address|value|tenant|one|version) of before\b/i, 'write "the old …"'],
  [/\bis to be (?:made|had|said|told)\b|\bwas to be\b/i, 'use an active verb'],
  [/\bhas to do with it\b|\bso it is\b|\bthere is not\b/i, 'put the verb before its object'],
];

const findings = [...documents(), ...sources()].flatMap(({ at, text }) =>
  HABITS.flatMap(([habit, advice]) => {
    const found = habit.exec(text);
    return found === null ? [] : [`${at}: "${found[0]}": ${advice}.`];
  }),
);
for (const finding of findings) process.stdout.write(`${finding}\n`);
if (findings.length > 0) process.stdout.write(`${RULES} has the rules, with examples.\n`);
process.exit(findings.length > 0 ? 1 : 0);

/** Each line of the documents, but for their code. */
function* documents() {
  for (const file of [...FRONT, ...filesOf('docs', '.md')]) {
    if (file === RULES) continue;
    let isCode = false;
    for (const [index, line] of readFileSync(path.join(root, file), 'utf8').split('\n').entries()) {
      if (line.startsWith('```')) isCode = !isCode;
      else if (!isCode) yield { at: `${file}:${index + 1}`, text: line.replaceAll(/`[^`]*`/g, '') };
    }
  }
}

/** Strings of several words in the sources, as they are read: joined where they are added up. */
function* sources() {
  for (const file of filesOf('src', '.ts')) {
    if (file.endsWith('.spec.ts') || file.startsWith('src/generated')) continue;
    const source = ts.createSourceFile(file, readFileSync(path.join(root, file), 'utf8'), ts.ScriptTarget.ESNext, true);
    const texts = [];
    const visit = (node) => {
      if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
        const text = node.getText(source);
        const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
        if (text.trim().split(/\s+/).length > 2 && !SQL.test(text)) texts.push({ at: `${file}:${line + 1}`, text });
      } else ts.forEachChild(node, visit);
    };
    visit(source);
    yield* texts;
  }
}

function filesOf(folder, ending) {
  return readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => path.join(folder, name))
    .sort();
}
