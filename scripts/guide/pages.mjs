// The pages of the documentation's site: their files, their HTML, and where their links lead.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import GithubSlugger from 'github-slugger';
import MarkdownIt from 'markdown-it';

/** Pages of the root that belong to the site. */
const OF_ROOT = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
const EXTERNAL = /^(?:[a-z]+:|\/\/)/i;

/**
 * Every page: its file, its place in the site, title, sections, HTML; and what is wrong with its links.
 *
 * @param root the folder of the project
 */
export function readPages(root) {
  const inDocs = readdirSync(path.join(root, 'docs'), { recursive: true })
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.posix.join('docs', file.split(path.sep).join('/')))
    .sort();
  const files = [...OF_ROOT.filter((file) => existsSync(path.join(root, file))), ...inDocs];
  const drafts = new Map(files.map((file) => [file, draft(file, readFileSync(path.join(root, file), 'utf8'))]));
  const problems = [];
  const pages = files.map((file) => render(root, drafts, file, problems));
  return { pages, problems };
}

/** docs/guides/keys.md → guides/keys.html; README.md → index.html */
function placeOf(file) {
  if (file === 'README.md') return 'index.html';
  return file
    .replace(/^docs\//, '')
    .replace(/\.md$/, '.html')
    .toLowerCase();
}

/** docs/screenshots/overview.png → screenshots/overview.png */
function placeOfPicture(file, source) {
  return path.posix.join(path.posix.dirname(file), source).replace(/^docs\//, '');
}

function draft(file, text) {
  const markdown = new MarkdownIt({ html: false, linkify: false });
  const tokens = markdown.parse(text, {});
  const slugger = new GithubSlugger();
  const headings = tokens.flatMap((token, at) => {
    if (token.type !== 'heading_open') return [];
    const title = plain(tokens[at + 1]);
    const anchor = slugger.slug(title);
    token.attrSet('id', anchor);
    return [{ level: Number(token.tag.slice(1)), title, anchor, at }];
  });
  return { file, markdown, tokens, headings, title: headings[0]?.title ?? file };
}

function render(root, drafts, file, problems) {
  const { markdown, tokens, headings, title } = drafts.get(file);
  const place = placeOf(file);
  for (const token of tokens) {
    for (const child of token.children ?? []) {
      if (child.type === 'image') child.attrSet('src', relative(file, placeOfPicture(file, child.attrGet('src'))));
      if (child.type !== 'link_open') continue;
      const led = leadTo(root, drafts, file, child.attrGet('href'));
      if ('problem' in led) problems.push(`${file}: ${led.problem}`);
      // Where the site is built without the rest of the project (in the image), only the link's text stays.
      if ('problem' in led || led.href === null) child.attrs = [['class', 'source']];
      else child.attrSet('href', led.href);
    }
  }
  const html = markdown.renderer.render(tokens, markdown.options, {});
  return { file, place, title, html, headings, sections: sectionsOf(tokens, headings, title) };
}

/** Where a link of a page leads on the site; null: to a file outside the site. */
function leadTo(root, drafts, file, href) {
  if (EXTERNAL.test(href)) return { href };
  const [target, anchor] = decodeURI(href).split('#');
  const there = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
  const onDisk = path.join(root, there);
  if (!existsSync(onDisk)) return { problem: `${href} leads to ${there}, which is not there` };
  const page = drafts.get(there.replace(/\/$/, ''));
  if (page === undefined) {
    if (statSync(onDisk).isDirectory() && /^docs\//.test(there)) return { href: relative(file, 'index.html') };
    return { href: null };
  }
  if (anchor !== undefined && !page.headings.some((heading) => heading.anchor === anchor)) {
    return { problem: `${href} names no heading of ${there}` };
  }
  const place = there === file ? '' : relative(file, placeOf(page.file));
  return { href: anchor === undefined ? place : `${place}#${anchor}` };
}

/** A relative link from a page to a place of the site, so that the site works under any address. */
export function relative(file, place) {
  return path.posix.relative(path.posix.dirname(placeOf(file)), place) || path.posix.basename(place);
}

/** The entries of the search: the text under each heading. */
function sectionsOf(tokens, headings, title) {
  return headings.map((heading, index) => {
    const end = headings[index + 1]?.at ?? tokens.length;
    const text = tokens
      .slice(heading.at + 3, end)
      .map((token) => (token.type === 'fence' ? token.content : plain(token)))
      .filter(Boolean)
      .join(' ');
    return { page: title, title: heading.title, anchor: index === 0 ? '' : heading.anchor, text };
  });
}

function plain(token) {
  return (token.children ?? []).map((child) => (child.type === 'softbreak' ? ' ' : child.content)).join('');
}
