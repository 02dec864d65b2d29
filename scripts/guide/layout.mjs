// The frame of each page of the site: navigation, search, and the page's own headings. No third-party script.
import { relative } from './pages.mjs';

const GROUPS = [
  ['Start', ({ file }) => ['README.md', 'docs/guides/first-steps.md', 'docs/guides/command-line.md'].includes(file)],
  ['Guides', ({ file }) => file.startsWith('docs/guides/')],
  ['Reference', ({ file }) => ['docs/configuration.md', 'docs/errors.md', 'docs/api-versions.md'].includes(file)],
  ['How it is built', ({ file }) => /^docs\/[^/]+\.md$/.test(file)],
  ['Project', ({ file }) => !file.startsWith('docs/') || file.startsWith('docs/contributing/')],
  ['Decisions', () => true],
];

export function pageHtml(page, pages) {
  const to = (place) => relative(page.file, place);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(page.file === 'README.md' ? 'Gatehouse' : `${page.title} · Gatehouse`)}</title>
<link rel="stylesheet" href="${to('assets/site.css')}">
<script type="module" src="${to('assets/site.js')}" data-root="${to('index.html').replace(/index\.html$/, '')}"></script>
</head>
<body>
<header>
<a class="name" href="${to('index.html')}">Gatehouse</a>
<search><input id="search" type="search" placeholder="Search (/)" autocomplete="off" aria-label="Search the documentation"><ol id="found" hidden></ol></search>
</header>
<nav aria-label="Pages">
${navigation(page, pages, to)}
</nav>
<main>
${page.html}
</main>
<aside aria-label="On this page">
${page.headings
  .filter(({ level }) => level === 2 || level === 3)
  .map(({ level, title, anchor }) => `<a class="level-${level}" href="#${anchor}">${escaped(title)}</a>`)
  .join('\n')}
</aside>
</body>
</html>
`;
}

function navigation(page, pages, to) {
  const left = new Set(pages);
  return GROUPS.map(([name, belongs]) => {
    const group = [...left].filter(belongs);
    for (const each of group) left.delete(each);
    const links = group.map((each) => {
      const current = each === page ? ' aria-current="page"' : '';
      return `<li><a href="${to(each.place)}"${current}>${escaped(each.title)}</a></li>`;
    });
    const isOpen = name !== 'Decisions' || group.includes(page);
    return `<details${isOpen ? ' open' : ''}><summary>${name}</summary><ul>\n${links.join('\n')}\n</ul></details>`;
  }).join('\n');
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
