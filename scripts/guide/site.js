// Search over an index that is fetched at its first use.
import MiniSearch from './minisearch.js';

const MOST = 12;
const box = document.getElementById('search');
const list = document.getElementById('found');
const root = document.querySelector('script[data-root]').dataset.root;
const options = { fields: ['title', 'page', 'text'], storeFields: ['title', 'page', 'href'] };

let loading;
const index = () =>
  (loading ??= fetch(`${root}assets/search.json`)
    .then((answer) => answer.text())
    .then((text) => MiniSearch.loadJSON(text, options)));

box.addEventListener('input', async () => {
  const asked = box.value.trim();
  const search = await index();
  if (asked !== box.value.trim()) return;
  const found = search.search(asked, { prefix: true, fuzzy: 0.15, boost: { title: 4, page: 2 } }).slice(0, MOST);
  list.replaceChildren(
    ...found.map(({ title, page, href }) => {
      const link = document.createElement('a');
      link.href = root + href;
      const where = document.createElement('small');
      where.textContent = page;
      link.append(title, where);
      const item = document.createElement('li');
      item.append(link);
      return item;
    }),
  );
  if (asked !== '' && found.length === 0) list.append('Nothing found.');
  list.hidden = asked === '';
});

document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  } else if (event.key === 'Escape') list.hidden = true;
  else if (event.key === 'Enter' && document.activeElement === box) list.querySelector('a')?.click();
});

for (const block of document.querySelectorAll('pre')) {
  const button = document.createElement('button');
  button.textContent = 'Copy';
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(block.querySelector('code').textContent);
    button.textContent = 'Copied';
  });
  block.append(button);
}
