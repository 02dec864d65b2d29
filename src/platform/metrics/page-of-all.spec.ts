import { eventually } from '../../../test/support/eventually.js';
import { PageOfAll } from './page-of-all.js';

/** Counts the pages that are written; each is finished when it is told. */
function pages() {
  const begun: PromiseWithResolvers<string>[] = [];
  const page = new PageOfAll(() => {
    const writing = Promise.withResolvers<string>();
    begun.push(writing);
    return writing.promise;
  });
  const begin = async (count: number): Promise<PromiseWithResolvers<string>> => {
    await eventually(() => begun.length >= count);
    return begun[count - 1]!;
  };
  return { page, begun, begin };
}

it('writes one page for all that ask while another is written, and begins it after they asked', async () => {
  const { page, begun, begin } = pages();
  const first = page.get();
  const writing = await begin(1);
  const others = Array.from({ length: 20 }, () => page.get());
  writing.resolve('before');
  expect(await first).toBe('before');
  (await begin(2)).resolve('after');
  expect(new Set(await Promise.all(others))).toEqual(new Set(['after']));
  expect(begun).toHaveLength(2);
});

it('writes one page for each moment to those that ask again at once', async () => {
  let written = 0;
  let answers = 0;
  const page = new PageOfAll(async () => String((written += 1)));
  const askers = Array.from({ length: 20 }, async () => {
    for (; answers < 100; answers += 1) await page.get();
  });
  await Promise.all(askers);
  expect(written).toBeLessThanOrEqual(7);
});

it('writes the next page after one that failed', async () => {
  const { page, begin } = pages();
  const failed = page.get();
  (await begin(1)).reject(new Error('away'));
  await expect(failed).rejects.toThrow('away');
  const next = page.get();
  (await begin(2)).resolve('back');
  expect(await next).toBe('back');
});
