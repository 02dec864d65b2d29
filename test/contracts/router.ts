import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** A handler with more methods than any one of ours is registered for all methods. */
const MANY = 7;

/**
 * Every route in the running service's router, of every module: `METHOD /path`, with `ALL` for a handler of every method, and
 * without the HEAD that comes with each GET. Fastify prints routes only as a tree, whose lines are `├── segment (METHODS)`,
 * four columns for each level.
 */
export function routesOf(app: NestFastifyApplication): string[] {
  const drawing = app.getHttpAdapter().getInstance().printRoutes({ commonPrefix: false, includeHooks: false });
  const parents: string[] = [];
  const routes: string[] = [];
  for (const line of drawing.split('\n').filter((text) => text.trim() !== '')) {
    const match = /^(?<indent>(?:│ {3}| {4})*)[├└]── (?<segment>\S*)(?: \((?<methods>[A-Z, ]+)\))?$/.exec(line);
    if (match?.groups === undefined) throw new Error(`Not a line of Fastify's drawing of its routes: ${line}`);
    const { indent = '', segment = '', methods } = match.groups;
    const depth = indent.length / 4;
    const path = joined(parents[depth - 1] ?? '', segment);
    parents.length = depth;
    parents.push(path);
    if (methods !== undefined) routes.push(...namesOf(path, methods.split(', ')));
  }
  return routes.sort();
}

function joined(parent: string, segment: string): string {
  // A segment that begins with a hyphen continues its parent's: `list` and `list-members`.
  if (parent.endsWith('/') || /^[/-]/.test(segment) || parent === '') return parent + segment;
  return `${parent}/${segment}`;
}

function namesOf(path: string, methods: readonly string[]): string[] {
  if (methods.length >= MANY) return [`ALL ${path}`];
  return methods.filter((method) => method !== 'HEAD' || !methods.includes('GET')).map((method) => `${method} ${path}`);
}
