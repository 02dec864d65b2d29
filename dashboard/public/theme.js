// Sets the theme before the first paint. A file of its own: the page's policy allows no inline script.
(function () {
  let chosen = null;
  try {
    chosen = localStorage.getItem('gatehouse.theme');
  } catch {
    // A browser that keeps nothing follows the system.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
})();
