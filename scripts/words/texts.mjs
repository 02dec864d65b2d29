// What people read: the lines of a document; the texts, test titles and comments of a source.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const SQL = /\b(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/;
const TESTS = /^(?:describe|it|test)\b/;
const MARKS = /^\s*(?:\/\*\*?|\*\/|\*|\/\/|--)|\*\/\s*$/g;

/** Each line of a document except its code. */
export function linesOf(root, file) {
  let isCode = false;
  return read(root, file)
    .split('\n')
    .flatMap((line, index) => {
      const isFence = line.startsWith('```');
      if (isFence) isCode = !isCode;
      return isFence || isCode ? [] : [{ at: `${file}:${index + 1}`, text: withoutCode(line) }];
    });
}

/**
 * `texts`: strings of several words; parts that the code adds up are joined. `titles`: of tests. `comments`: with their lines.
 */
export function readProgram(root, file) {
  const content = read(root, file);
  const source = ts.createSourceFile(file, content, ts.ScriptTarget.ESNext, true);
  const lineAt = (position) => source.getLineAndCharacterOfPosition(position).line + 1;
  const texts = [];
  const titles = [];
  const ranges = new Map();
  const visit = (node) => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
      const text = { at: `${file}:${lineAt(node.getStart(source))}`, text: node.getText(source) };
      if (isTitle(node)) titles.push(text);
      else if (text.text.trim().split(/\s+/).length > 2 && !SQL.test(text.text)) texts.push(text);
    }
    const children = node.getChildren(source);
    children.forEach(visit);
    if (children.length > 0 || node.kind === ts.SyntaxKind.JsxText) return;
    const note = (start, end) => void ranges.set(start, end);
    ts.forEachLeadingCommentRange(content, node.pos, note);
    ts.forEachTrailingCommentRange(content, node.end, note);
  };
  visit(source);
  const parts = [...ranges].sort(([one], [other]) => one - other);
  return {
    texts,
    titles,
    comments: joined(
      file,
      parts.map(([start, end]) => partOf(content, start, end, lineAt)),
    ),
  };
}

/** The comments of a file of SQL: its lines that begin with two dashes. */
export function readSql(root, file) {
  const parts = read(root, file)
    .split('\n')
    .flatMap((text, index) => (/^\s*--/.test(text) ? [{ line: index + 1, lines: [text], isLine: true }] : []));
  return joined(file, parts);
}

function partOf(content, start, end, lineAt) {
  const before = content.slice(content.lastIndexOf('\n', start - 1) + 1, start);
  const text = content.slice(start, end);
  const isLine = text.startsWith('//') && before.trim() === '';
  return { line: lineAt(start), lines: (isLine ? before + text : text).split('\n'), isLine };
}

/** Comments of one line that follow each other count as one. */
function joined(file, parts) {
  const comments = [];
  for (const { line, lines, isLine } of parts) {
    const last = comments.at(-1);
    if (isLine && last?.isLine === true && last.line + last.lines.length === line) last.lines.push(...lines);
    else comments.push({ line, lines: [...lines], isLine });
  }
  return comments.map(({ line, lines }) => ({
    at: `${file}:${line}`,
    lines,
    text: withoutCode(lines.map((part) => part.replaceAll(MARKS, '').trim()).join(' ')).trim(),
  }));
}

function isTitle(node) {
  let outer = node;
  while (ts.isBinaryExpression(outer.parent)) outer = outer.parent;
  const call = outer.parent;
  return ts.isCallExpression(call) && call.arguments[0] === outer && TESTS.test(call.expression.getText());
}

const withoutCode = (text) => text.replaceAll(/`[^`]*`/g, '');

const read = (root, file) => readFileSync(path.join(root, file), 'utf8');
