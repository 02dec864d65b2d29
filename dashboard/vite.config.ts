import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';
import { accessTable } from './vite/access-table.ts';
import { icons } from './vite/icons.ts';

export default defineConfig({
  base: '/dashboard/',
  // Without the React plugin: it brings a second Babel, and fast refresh is all that it would add.
  oxc: { jsx: { runtime: 'automatic' } },
  plugins: [tailwindcss(), icons(), accessTable()],
  build: {
    target: 'es2023',
    // Everything is a file of its own: the page's policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      // Packages mark what is for a browser alone, which is all that there is here.
      onLog: (level, log, tell) => {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') tell(level, log);
      },
    },
  },
});
