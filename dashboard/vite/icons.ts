import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Plugin } from 'vite';
import { ICON_NAMES } from '../src/kit/icon-names.ts';

const NAME = 'virtual:icons';
const SHAPE = /<(path|circle|rect|line|ellipse|polyline|polygon)\s([^>]*?)\/>/g;
const ATTRIBUTE = /([\w-]+)="([^"]*)"/g;
/** The icon's own element sets these for all its shapes. */
const INHERITED = new Set(['stroke', 'stroke-width', 'stroke-linecap', 'stroke-linejoin']);

/** The icons that the pages name, from Lucide's collection: as shapes, since the page's policy allows no markup in scripts. */
export function icons(): Plugin {
  return {
    name: 'gatehouse-icons',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load: (id) => (id === `\0${NAME}` ? `export const ICONS = ${JSON.stringify(readShapes())};` : null),
  };
}

function readShapes(): Record<string, unknown> {
  const file = createRequire(import.meta.url).resolve('@iconify-json/lucide/icons.json');
  const { icons: all } = JSON.parse(readFileSync(file, 'utf8')) as { icons: Record<string, { body: string }> };
  return Object.fromEntries(
    ICON_NAMES.map((name) => {
      const icon = all[name];
      if (icon === undefined) throw new Error(`Lucide has no icon named ${name}.`);
      return [name, [...icon.body.matchAll(SHAPE)].map(([, tag, attributes = '']) => [tag, attributesOf(attributes)])];
    }),
  );
}

function attributesOf(text: string): Record<string, string> {
  const all = [...text.matchAll(ATTRIBUTE)].map(([, name = '', value = '']) => [name, value] as const);
  return Object.fromEntries(
    all.filter(([name, value]) => !INHERITED.has(name) && !(name === 'fill' && value === 'none')),
  );
}
