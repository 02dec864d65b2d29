import { isCredential, loggedPath } from './logged-path.js';

const SECRET = 'gh_0123456789abcdefABCDEF';
const KEY = 'a2RisE153CVF1Ds0qSEfsD7GzVr3AAyyD';

it.each([
  [`/x/sk_${SECRET}`, '/x/sk_…'],
  [`/x/Bearer%20sk_${SECRET}`, '/x/Bearer sk_…'],
  [`/x/sk%5F${SECRET}`, '/x/sk_…'],
  [`/x/%73k_${SECRET}`, '/x/sk_…'],
  [`/x/SK_${SECRET.toUpperCase()}`, '/x/SK_…'],
  [`/x/sk%255F${SECRET}`, '/x/sk_…'],
  [`/x/sk_gh%5f0123456789`, '/x/sk_…'],
  [`/x/key_sk_${SECRET}`, '/x/key_sk_…'],
  [`/x/%zz/pk_${SECRET}?q=1`, '/x/%zz/pk_…'],
  [`/x/Bearer%20eyJhbGciOi.J9.sig`, '/x/Bearer …'],
  [`/x/sk%${'25'.repeat(9)}5f${SECRET}`, '/x/sk_…'],
  [`/x/xsk_gh_${KEY}`, '/x/xsk_gh_…'],
  [`/x/sk_gh/${KEY}`, '/x/sk_gh/…'],
  [`/x/SK%E2%80%8B_GH_${KEY}`, '/x/SK%E2%80%8B_GH_…'],
  [`/x/sk_gh_${KEY.slice(0, 16)}/${KEY.slice(16)}/y`, '/x/sk_…'],
  [`/x/sk_gh_${KEY.slice(0, 16)}%0a${KEY.slice(16)}`, '/x/sk_…'],
  ['/x/gw_gh_0123456789', '/x/gw_…'],
  ['/x/sk-proj-abcdefgh', '/x/sk-…'],
])('%s is logged as %s', (url, logged) => {
  expect(loggedPath(url)).toBe(logged);
});

it.each([
  '/v1/models/caf%C3%A9%20au%20lait',
  '/x/0190f6a2-7c1b-7e63-9f0a-2b4c6d8e0f12',
  '/x/hum_00560ffad78f47b8b396bc1e2508a661',
  '/v1/llm/context/ctx_0123456789',
  '/api/v1/task_list/all',
  '/v1/models/task-list-4',
])('%s is logged unchanged', (url) => {
  expect(loggedPath(`${url}?key=sk_${SECRET}`)).toBe(url);
});

it.each([
  [`sk_gh_${KEY}`, true],
  [`pk_acme_${KEY}`, true],
  [`gw_gh_${KEY}`, true],
  [`Bearer sk_gh_${KEY}`, true],
  ['aisbreaker_eyJ2ZXIiOiIx', true],
  ['eyJhbGciOi.eyJzdWIi.sig', true],
  [`sk-proj-${KEY}`, true],
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', true],
  ['AIzaSyD-0123456789abcdefghijklmnopqrstu', true],
  ['AKIAIOSFODNN7EXAMPLE', true],
  [`openai/sk_gh_${KEY}`, true],
  [` sk_gh_${KEY}@1`, true],
  [`x:sk-proj-${KEY}/1`, true],
  ['key=AKIAIOSFODNN7EXAMPLE;', true],
  ['gpt-4o-mini', false],
  ['sk-learn-classifier-v2', false],
  ['gw_test-model', false],
  ['whsec_test-model', false],
  ['AKIA-chat', false],
  ['task_sk_models', false],
  [`risk-${KEY}`, false],
  ['ft:gpt-4o-mini-2024-07-18:acme::AbCd1234', false],
  ['accounts/fireworks/models/llama-v3p1-8b-instruct', false],
  ['eyJ', false],
])('%s as a name is a credential: %s', (name, is) => {
  expect(isCredential(name)).toBe(is);
});
