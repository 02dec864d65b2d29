import { requestIdOf } from './request-context.js';

const idOf = (given: string): string => requestIdOf({ 'x-request-id': given });

it.each(['req_7f3a', '0190f6a2-7c1b-7e63-9f0a-2b4c6d8e0f12', 'Root=1'.replace('=', ':'), 'task.1'])(
  'keeps the id %s',
  (given) => {
    expect(idOf(given)).toBe(given);
  },
);

it.each([
  'sk_gh_0123456789abcdef',
  'trace-sk_gh_0123456789abcdef',
  'pk_gh_0123456789',
  'gw_gh_0123456789abcdef',
  'sk-proj-0123456789',
  'eyJhbGciOi.eyJ0.sig',
  'a b',
  '',
])('takes an id of its own instead of %j', (given) => {
  expect(idOf(given)).toMatch(/^req_/);
});
